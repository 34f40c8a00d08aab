"""Backbone and weights -> trunk.onnx in fp32, proven against Keras."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from zoo.backbone import Backbone
from zoo.build.canonical import serialized
from zoo.build.convert import OPSET, to_onnx
from zoo.build.networks import body, pixels_of, size_of, whole
from zoo.build.parity import prove
from zoo.build.random_weights import enliven
from zoo.errors import TrunkError, WeightsError
from zoo.image import ImageInput
from zoo.possible import too_large
from zoo.presets import settled
from zoo.signature import image_signature
from zoo.trunk import open_session


def build(backbone: Backbone, weights: Path | None) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of trunk.onnx, and the facts to record: parity, opset, versions of the tools.

    `weights` is the verified file; None leaves the weights random, the same ones each time.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
        TrunkError: it is too large for an ONNX file.
        WeightsError: the file does not hold this network's weights.
    """
    if weights is not None:
        backbone = settled(backbone, weights.parent)
    size, inner = size_of(backbone), body(backbone, weights)
    if weights is None:
        enliven(inner, size, pixels_of(backbone).scaling)  # numbers that vanish would cost time of their own
    built = whole(backbone, inner)
    if reason := too_large(built.count_params()):
        raise TrunkError(f"no trunk can be made of {backbone.name}: {reason}. Choose another of `zoo list`.")
    data, report = proven(built, size, backbone.width)
    return data, report | {"input": ImageInput(size).spec(), "params": built.count_params()}


def proven(model: keras.Model, size: int, width: int | None) -> tuple[bytes, dict[str, Any]]:
    """Return what `build` does, of a network from pixels, uint8 [n,size,size,3], to features, float32 [n,width].

    `width` is what the catalog says; None: it is unknown.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
        WeightsError: its features are of another width.
    """
    found = int(model.output_shape[-1])
    if width not in (None, found):
        raise WeightsError(f"{model.name} gives features of width {found}; the catalog says {width}.")
    data = serialized(to_onnx(model))
    session = open_session(data)

    def runtime(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, {"image": pictures})[0]
        return features

    # Traced once: Keras compiles a grouped convolution anew at every call that is not.
    traced = tf.function(lambda pictures: model(pictures, training=False))
    parity = prove(lambda pictures: keras.ops.convert_to_numpy(traced(pictures)), runtime, size)
    tools = {package: version(package) for package in ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")}
    signature = asdict(image_signature(size, found))
    return data, {"signature": signature, "parity": asdict(parity), "opset": OPSET, "tools": tools}
