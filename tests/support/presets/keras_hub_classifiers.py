"""Tiny random image classifiers as KerasHub publishes them: a preset with task.json and task.weights.h5 in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from graft.inputs.image import ImageInput
from tests.support.presets.keras_hub_image_presets import SIZE, draw_weights, tiny_image_network
from tests.support.presets.keras_hub_text_presets import keras_hub
from zoo.convert.networks.split_last_dense import find_last_dense
from zoo.sample_inputs import load_photos


def save_classifier(
    family: str, folder: Path, sizes: dict[str, Any] | None = None, *, classes: int = 1000, **own: Any
) -> None:
    """Let KerasHub write a classifier of `classes` under `folder`; `own` is what its class takes besides."""
    models, layers, network = keras_hub().models, keras_hub().layers, tiny_image_network(family, **sizes or {})
    (inner,) = keras.tree.flatten(network.input)
    size = inner.shape[1] or SIZE
    converter = getattr(layers, f"{family}ImageConverter")(
        image_size=(size, size), scale=[0.017, 0.0175, 0.0174], offset=[-2.1, -2.0, -1.8]
    )
    preprocessor = getattr(models, f"{family}ImageClassifierPreprocessor")(image_converter=converter)
    classifier = getattr(models, f"{family}ImageClassifier")(
        backbone=network, num_classes=classes, preprocessor=preprocessor, **own
    )
    inside, random = {id(weight) for weight in network.weights}, np.random.default_rng(1)
    for weight in classifier.weights:
        if id(weight) not in inside:
            weight.assign(draw_weights(random, weight))
    dense, pictures = find_last_dense(classifier), np.stack([ImageInput(size)(photo) for photo in load_photos()])
    link, dense.activation = dense.activation, keras.activations.linear
    unit = 0.3 * np.std(classifier(preprocessor(pictures), training=False))  # logits from -9 to 9
    dense.set_weights([weight / unit for weight in dense.get_weights()])
    dense.activation = link
    classifier.save_to_preset(str(folder))


def keras_hub_scores(folder: Path, pictures: np.ndarray) -> np.ndarray:
    """What KerasHub itself answers to pictures, uint8 [n,s,s,3]: probabilities, float32 [n,k]."""
    classifier = keras_hub().models.ImageClassifier.from_preset(str(folder))
    answer = classifier(classifier.preprocessor(pictures), training=False)
    if getattr(classifier, "activation", None) in (None, "linear"):
        answer = keras.ops.softmax(answer)
    return np.asarray(keras.ops.convert_to_numpy(answer))
