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
from zoo.build.networks import network, pixels_of
from zoo.build.parity import prove
from zoo.signature import image_signature
from zoo.trunk import open_session


def build(backbone: Backbone, weights: Path | None) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of trunk.onnx, and the facts to record: parity, opset, versions of the tools.

    `weights` is the verified file; None leaves the weights random, the same ones each time.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
        WeightsError: the file does not hold this network's weights.
    """
    keras.utils.set_random_seed(0)
    return proven(network(backbone, weights), pixels_of(backbone).size, backbone.width)


def proven(model: keras.Model, size: int, width: int) -> tuple[bytes, dict[str, Any]]:
    """Return what `build` does, of a network from pixels, uint8 [n,size,size,3], to features, float32 [n,width].

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
    """
    data = serialized(to_onnx(model))
    session = open_session(data)

    def runtime(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, {"image": pictures})[0]
        return features

    # Traced once: Keras compiles a grouped convolution anew at every call that is not.
    traced = tf.function(lambda pictures: model(pictures, training=False))
    parity = prove(lambda pictures: keras.ops.convert_to_numpy(traced(pictures)), runtime, size)
    tools = {package: version(package) for package in ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")}
    signature = asdict(image_signature(size, width))
    return data, {"signature": signature, "parity": asdict(parity), "opset": OPSET, "tools": tools}
