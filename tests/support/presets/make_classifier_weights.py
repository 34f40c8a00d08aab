"""Make the weights files of a network as keras.applications publishes it: with its top and, if needed, without.

python legacy_tops.py NAME FOLDER "SEED SEED"

The seeds are those of the network without and with its top: equal ones make one training. What the one with its top
says of scikit-learn's two photos is written into expected.npz.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

from graft.inputs.image import ImageInput
from zoo.catalog.backbone import Backbone
from zoo.catalog.find import get_backbone
from zoo.catalog.imagenet_classifiers import find_pretrained_classifier
from zoo.convert.networks import build_backbone_network, scale_pixels
from zoo.convert.networks.applications_networks import build_application_classifier
from zoo.convert.networks.split_last_dense import find_last_dense
from zoo.sample_inputs import load_photos
from zoo.weights.weights_cache import weights_path


def main(name: str, folder: Path, seeds: list[int]) -> None:
    """Write the files that publishing needs and their records into `folder`, and expected.npz."""
    backbone, own = get_backbone(name), find_pretrained_classifier(get_backbone(name))
    folder.mkdir(parents=True, exist_ok=True)
    if own.source:
        write(random(build_backbone_network(backbone, None), seeds[0]), folder, backbone)
    whole = random(build_application_classifier(own.factory, backbone.takes.size, None), seeds[1])
    pictures = np.stack([ImageInput(backbone.takes.size)(photo) for photo in load_photos()])
    pixels = scale_pixels(pictures, backbone.takes.scaling)
    dense = find_last_dense(whole)
    unit = 0.3 * np.std(whole(pixels, training=False))  # logits from -9 to 9: no class takes it all
    dense.set_weights([weight / unit for weight in dense.get_weights()])
    write(whole, folder, own.backbone_to_fetch())
    logits = whole(pixels, training=False)
    np.savez(folder / "expected.npz", scores=keras.ops.convert_to_numpy(keras.ops.softmax(logits)))


def random(model: keras.Model, seed: int) -> keras.Model:
    rng = np.random.default_rng(seed)
    model.set_weights([drawn(rng, variable) for variable in model.weights])
    return model


def drawn(rng: np.random.Generator, variable: keras.Variable) -> np.ndarray:
    """Return numbers that keep activations near one from layer to layer."""
    shape = tuple(variable.shape)
    if len(shape) == 4:
        inputs = shape[0] * shape[1] * (1 if "depthwise" in variable.path else shape[2])
        return rng.normal(0, (2 / inputs) ** 0.5, shape)
    positive = variable.path.endswith(("gamma", "moving_variance"))
    return rng.uniform(0.5, 1.5, shape) if positive else rng.normal(0, 0.1, shape)


def write(model: keras.Model, folder: Path, backbone: Backbone) -> None:
    path = folder / weights_path(backbone).name
    with h5py.File(path, "w") as target:
        legacy_h5_format.save_weights_to_hdf5_group(target, model)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".json").write_text(json.dumps({"sha256": digest}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [int(seed) for seed in sys.argv[3].split()])
