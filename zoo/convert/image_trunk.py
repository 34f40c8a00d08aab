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

from graft.bundle.signature import image_signature
from graft.errors import TrunkError, WeightsError
from graft.inputs.image import ImageInput
from graft.runtime.session import open_session
from zoo.catalog.backbone import Backbone, too_large_reason
from zoo.convert.networks import build_backbone_network, network_input_size, require_pixels, trunk_from_network
from zoo.convert.networks.random_weights import randomize_weights
from zoo.convert.onnx_graph.canonical import serialize_onnx
from zoo.convert.onnx_graph.keras_to_onnx import IMAGE_OPSET, image_model_to_onnx
from zoo.convert.parity import check_image_parity
from zoo.weights.preset_config import resolve_preset


def build_image_trunk(backbone: Backbone, weights: Path | None) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of trunk.onnx, and the facts to record: parity, opset, versions of the tools.

    `weights` is the verified file; None leaves the weights random, the same ones each time.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
        TrunkError: it is too large for an ONNX file.
        WeightsError: the file does not hold this network's weights.
    """
    if weights is not None:
        backbone = resolve_preset(backbone, weights.parent)
    size, network = network_input_size(backbone), build_backbone_network(backbone, weights)
    if weights is None:
        randomize_weights(
            network, size, require_pixels(backbone).scaling
        )  # numbers that vanish would cost time of their own
    trunk = trunk_from_network(backbone, network)
    if reason := too_large_reason(trunk.count_params()):
        raise TrunkError(f"no trunk can be made of {backbone.name}: {reason}. Choose another of `zoo list`.")
    data, report = convert_image_trunk(trunk, size, backbone.width)
    return data, report | {"input": ImageInput(size).spec(), "params": trunk.count_params()}


def convert_image_trunk(model: keras.Model, size: int, width: int | None) -> tuple[bytes, dict[str, Any]]:
    """Return what `build_image_trunk` does, of a network from pixels, uint8 [n,size,size,3], to features, float32 [n,width].

    `width` is what the catalog says; None: it is unknown.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
        WeightsError: its features are of another width.
    """
    width_found = int(model.output_shape[-1])
    if width not in (None, width_found):
        raise WeightsError(f"{model.name} gives features of width {width_found}; the catalog says {width}.")
    data = serialize_onnx(image_model_to_onnx(model))
    session = open_session(data)

    def runtime(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, {"image": pictures})[0]
        return features

    # Traced once: Keras compiles a grouped convolution anew at every call that is not.
    traced = tf.function(lambda pictures: model(pictures, training=False))
    parity = check_image_parity(lambda pictures: keras.ops.convert_to_numpy(traced(pictures)), runtime, size)
    tools = {package: version(package) for package in ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")}
    signature = asdict(image_signature(size, width_found))
    return data, {"signature": signature, "parity": asdict(parity), "opset": IMAGE_OPSET, "tools": tools}
