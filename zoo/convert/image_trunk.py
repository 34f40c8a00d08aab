"""Build an image trunk in fp32: backbone and weights -> trunk.onnx, with a parity check against Keras."""

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
    """Return the bytes of trunk.onnx, and the facts to record: signature, parity, opset, versions of the tools.

    `weights` is the verified file; None: random weights from a fixed seed.

    Raises:
        ParityError: ONNX Runtime's features differ from Keras'.
        TrunkError: the network is too large for an ONNX file.
        WeightsError: the file does not hold this network's weights.
    """
    if weights is not None:
        backbone = resolve_preset(backbone, weights.parent)
    size, network = network_input_size(backbone), build_backbone_network(backbone, weights)
    if weights is None:
        # Not Keras' initial weights: denormal activations would slow the benchmark.
        randomize_weights(network, size, require_pixels(backbone).scaling)
    trunk = trunk_from_network(backbone, network)
    if reason := too_large_reason(trunk.count_params()):
        raise TrunkError(f"no trunk can be built from {backbone.name}: {reason}. Choose another of `zoo list`.")
    data, report = convert_image_trunk(trunk, size, backbone.width)
    return data, report | {"input": ImageInput(size).spec(), "params": trunk.count_params()}


def convert_image_trunk(model: keras.Model, size: int, width: int | None) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of trunk.onnx and the facts to record, for a Keras model.

    Args:
        model: `image`, uint8 [n,size,size,3] -> features, float32 [n,width].
        size: side of the input images, in pixels.
        width: number of features in the catalog; None: unknown, not checked.

    Raises:
        ParityError: ONNX Runtime's features differ from Keras'.
        WeightsError: the model has another number of features than `width`.
    """
    model_width = int(model.output_shape[-1])
    if width not in (None, model_width):
        raise WeightsError(f"{model.name} gives features of width {model_width}; the catalog says {width}.")
    data = serialize_onnx(image_model_to_onnx(model))
    session = open_session(data)

    def runtime(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, {"image": images})[0]
        return features

    # Traced once: in eager calls Keras compiles a grouped convolution anew each time.
    traced = tf.function(lambda images: model(images, training=False))
    parity = check_image_parity(lambda images: keras.ops.convert_to_numpy(traced(images)), runtime, size)
    tools = {package: version(package) for package in ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")}
    signature = asdict(image_signature(size, model_width))
    return data, {"signature": signature, "parity": asdict(parity), "opset": IMAGE_OPSET, "tools": tools}
