"""A network in two: its bottom, which stays as it is and runs in ONNX Runtime, and its tail, which learns."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.deep.blocks import cut_layer
from zoo.backbone import Backbone
from zoo.build.canonical import serialized
from zoo.build.convert import to_onnx
from zoo.build.networks import pixels_of, scaled, size_of
from zoo.build.parity import prove
from zoo.trunk import open_session


def parted(body: keras.Model, layer: str) -> tuple[keras.Model, keras.Model]:
    """Return two networks that share the weights of `body`: up to the output of `layer`, and from there on."""
    between = body.get_layer(layer).output
    return keras.Model(body.input, between, name="bottom"), keras.Model(between, body.output, name="tail")


def bottom_onnx(backbone: Backbone, body: keras.Model, cut: str) -> tuple[bytes, str, tuple[int, ...]]:
    """Return an ONNX graph from `image`, uint8 [n,s,s,3], to `maps`, float32 [n,h,w,c], where it was cut, and [h,w,c].

    Raises:
        RecipeError: `body` cannot be cut at `cut`.
        ParityError: ONNX Runtime does not repeat Keras.
    """
    pixels = pixels_of(backbone)
    layer = cut_layer(body, cut)
    bottom, _ = parted(body, layer)
    size = size_of(backbone)
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    model = keras.Model(image, bottom(scaled(image, pixels.scaling), training=False))
    data = serialized(to_onnx(model, output="maps"))
    session = open_session(data)

    def runtime(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps: NDArray[np.float32] = session.run(None, {"image": pictures})[0]
        return maps

    prove(lambda pictures: keras.ops.convert_to_numpy(model(pictures, training=False)), runtime, size)
    return data, layer, tuple(model.output.shape[1:])
