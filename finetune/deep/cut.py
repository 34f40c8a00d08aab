"""A network in two: its bottom, which stays as it is and runs in ONNX Runtime, and its tail, which learns."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.deep.blocks import find_cut_layer
from zoo.backbone import Backbone
from zoo.build.canonical import serialize_onnx
from zoo.build.convert import image_model_to_onnx
from zoo.build.networks import network_input_size, require_pixels, scale_pixels
from zoo.build.parity import check_image_parity
from zoo.trunk import open_session


def split_network(body: keras.Model, layer: str) -> tuple[keras.Model, keras.Model]:
    """Return two networks that share the weights of `body`: up to the output of `layer`, and from there on."""
    between = body.get_layer(layer).output
    return keras.Model(body.input, between, name="bottom"), keras.Model(between, body.output, name="tail")


def export_bottom_onnx(backbone: Backbone, body: keras.Model, cut: str) -> tuple[bytes, str, tuple[int, ...]]:
    """Return an ONNX graph from `image`, uint8 [n,s,s,3], to `maps`, float32 [n,h,w,c], where it was cut, and [h,w,c].

    Raises:
        RecipeError: `body` cannot be cut at `cut`.
        ParityError: ONNX Runtime does not repeat Keras.
    """
    pixels = require_pixels(backbone)
    layer = find_cut_layer(body, cut)
    bottom, _ = split_network(body, layer)
    size = network_input_size(backbone)
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    model = keras.Model(image, bottom(scale_pixels(image, pixels.scaling), training=False))
    data = serialize_onnx(image_model_to_onnx(model, output="maps"))
    session = open_session(data)

    def runtime(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps: NDArray[np.float32] = session.run(None, {"image": pictures})[0]
        return maps

    check_image_parity(lambda pictures: keras.ops.convert_to_numpy(model(pictures, training=False)), runtime, size)
    return data, layer, tuple(model.output.shape[1:])
