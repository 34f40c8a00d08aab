"""Load the network of an image backbone, save its trained weights, and export it as an ONNX trunk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.deep.training_job import TrainingJob
from graft.bundle.signature import Signature
from graft.errors import TrainingFailed
from graft.progress import Progress
from graft.storage.atomic_file import file_sha256, open_atomic, write_atomic
from zoo.catalog.backbone import Backbone, Precision
from zoo.convert.image_trunk import convert_image_trunk
from zoo.convert.networks import assign_weights, build_backbone_network, network_input_size, trunk_from_network
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

WeightArrays = Sequence[NDArray[np.float32]]


def load_functional_body(backbone: Backbone, weights_file: Path | None, start_weights: Path | None) -> keras.Model:
    """Return the convolutional network of `backbone`, without pooling and head, with its pretrained or given weights.

    It is a plain functional model, whatever class its library returns, so that it loads without that library.

    Args:
        backbone: the catalog entry.
        weights_file: the pretrained weights; ignored if there are `start_weights`.
        start_weights: weights saved by `save_weights_npz`, from an earlier run.

    Raises:
        WeightsError: `weights_file` has the weights of another network.
        TrainingFailed: `start_weights` has the weights of another network.
    """
    library_model = build_backbone_network(backbone, None if start_weights else weights_file)
    functional = keras.Model(library_model.input, library_model.output, name=library_model.name)
    if start_weights:
        with np.load(start_weights, allow_pickle=False) as saved:
            arrays = [saved[name] for name in sorted(saved.files)]
        if [array.shape for array in arrays] != [tuple(weight.shape) for weight in functional.weights]:
            raise TrainingFailed(
                f"{start_weights} has the weights of another network than {backbone.name}. Train from the start."
            )
        assign_weights(functional, arrays)
    return functional


def save_weights_npz(path: Path, arrays: WeightArrays) -> Path:
    """Write the weights of a network to `path` atomically, in order, and return `path`."""
    named: dict[str, Any] = {f"{number:05}": array for number, array in enumerate(arrays)}
    with open_atomic(path) as file:
        np.savez(file, **named)
    return path


def export_image_trunk(job: TrainingJob, weights_path: Path, progress: Progress) -> tuple[Trunk, keras.Model]:
    """Convert trained weights to a trunk in the job's folder, with the parity check of any trunk.

    Return the trunk, and the same network in Keras.

    Raises:
        ParityError: ONNX Runtime does not reproduce Keras.
    """
    backbone, path = job.backbone, job.folder / "trunk.onnx"
    network = trunk_from_network(backbone, load_functional_body(backbone, None, weights_path))
    with progress.bar("checking the exported trunk against Keras", None):
        data, report = convert_image_trunk(network, network_input_size(backbone), backbone.width)
    write_atomic(path, data)
    facts = report | {
        "backbone": backbone.name,
        "weights_sha256": weights_cache.expected_weights_hash(backbone),
        "precision": Precision.FP32.value,
        "input": job.inputs.spec(),
        "sha256": file_sha256(path),
        "bytes": len(data),
    }
    return Trunk(path, facts["sha256"], Signature.from_dict(report["signature"]), job.inputs, facts), network
