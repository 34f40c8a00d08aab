"""The blocks of any convolutional network, in order, and the layers after which its whole graph can be cut in two.

A cut is a tensor that alone connects what comes before it with what comes after. Between two cuts lies a
segment; segments whose layers are named alike ("block7a_…", "conv5_block3_…", "expanded_conv_10_…") are a block.

A network in two: its bottom, which stays as it is and runs in ONNX Runtime, and its tail, which learns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from graft.errors import RecipeError
from graft.runtime.session import open_session
from zoo.catalog.backbone import Backbone
from zoo.convert.networks import network_input_size, require_pixels, scale_pixels
from zoo.convert.onnx_graph.canonical import serialize_onnx
from zoo.convert.onnx_graph.keras_to_onnx import image_model_to_onnx
from zoo.convert.parity import check_image_parity

TOP_BLOCKS: Final = 2  # blocks that learn at depth `top`, unless a cut is named


_BLOCK_NAME_PATTERN: Final = re.compile(r"^.*?(?:block|expanded_conv)_?\d*[a-z]?(?=_|$)")


_MAP_SIZE_PATTERN: Final = re.compile(r"^(\d+)x(\d+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """Some layers of a network that lie between two cuts."""

    name: str  # "" where the names of the layers tell of no block: the first layers, and the last
    layers: tuple[Any, ...]  # Keras layers and operations, in the order they run

    @property
    def last_layer_name(self) -> str:
        """The name of the layer whose output the next block takes."""
        return str(self.layers[-1].name)


def find_segments(network: keras.Model) -> list[tuple[Any, ...]]:
    """Return the layers of `network` in the order they run, parted at every tensor that can be cut.

    `network` has one input and one output.
    """
    calls = _layer_calls(network)
    pending_reads: dict[int, int] = {}  # how many calls still read a tensor
    for _, reads, _ in calls:
        for tensor in reads:
            pending_reads[id(tensor)] = pending_reads.get(id(tensor), 0) + 1
    alive = {id(network.inputs[0])}
    found: list[tuple[Any, ...]] = []
    under_way: list[Any] = []
    for layer, reads, writes in calls:
        for tensor in reads:
            pending_reads[id(tensor)] -= 1
            if not pending_reads[id(tensor)]:
                alive.discard(id(tensor))
        alive.update(id(tensor) for tensor in writes)
        under_way.append(layer)
        if len(alive) == 1:
            found.append(tuple(under_way))
            under_way = []
    return found


def find_blocks(network: keras.Model) -> list[Block]:
    """Return the blocks of `network`, the first one first."""
    parts = find_segments(network)
    names = [_block_name(layers) for layers in parts]
    nameless = not any(names)  # then each layer that learns is a block
    merged: list[Block] = []
    for name, layers in zip(names, parts, strict=True):
        new = _has_own_weights(layers) and nameless  # a block of its own, however it is called
        if merged and not new and (name == merged[-1].name or not (name or _has_own_weights(layers))):
            merged[-1] = Block(merged[-1].name, merged[-1].layers + layers)
        else:
            merged.append(Block(name, layers))
    return merged


def find_cut_layer(network: keras.Model, cut: str) -> str:
    """Return the name of the layer after which `network` is cut; what comes after it learns.

    `cut` is that name; a size of its maps, such as "14x14", for the last block that ends with it; or ""
    for the cut before the last two blocks.

    Raises:
        RecipeError: the graph cannot be cut there; the message names where it can.
    """
    parts = find_blocks(network)
    if not cut:
        named_blocks = [number for number, block in enumerate(parts) if block.name] or list(range(len(parts)))
        first = named_blocks[-TOP_BLOCKS] if len(named_blocks) > TOP_BLOCKS else named_blocks[-1]
        return parts[max(0, first - 1)].last_layer_name
    end_by_size = {_map_size(block.layers[-1]): block.last_layer_name for block in parts[:-1]}
    if _MAP_SIZE_PATTERN.match(cut) and cut in end_by_size:
        return end_by_size[cut]
    if cut in {layers[-1].name for layers in find_segments(network)[:-1]}:
        return cut
    raise RecipeError(
        f"--cut {cut}: {network.name} cannot be cut there. Allowed are the layers "
        f"{', '.join(block.last_layer_name for block in parts[:-1])}; or a size of maps, the last block that ends with it: "
        f"{', '.join(sorted(end_by_size, key=lambda side: -int(side.split('x')[0])))}."
    )


def block_rate_factors(network: keras.Model, layer_decay: float) -> dict[str, float]:
    """Return the factor of the learning rate for each trainable variable, by its path.

    The last block has `layer_decay`, the one before it `layer_decay`², and so on; a head on top has 1.
    """
    parts = find_blocks(network)
    return {
        variable.path: layer_decay ** (len(parts) - number)
        for number, block in enumerate(parts)
        for layer in block.layers
        for variable in getattr(layer, "trainable_variables", ())
    }


def _layer_calls(network: keras.Model) -> list[tuple[Any, Sequence[Any], Sequence[Any]]]:
    """Return each call of a layer in `network` with the tensors that it reads and writes, in the order they run."""
    ours = {id(node) for nodes in network._nodes_by_depth.values() for node in nodes}
    return [
        (layer, node.input_tensors, node.output_tensors)
        for layer in network.operations
        for node in layer._inbound_nodes
        if id(node) in ours and node.input_tensors
    ]


def _block_name(layers: Sequence[Any]) -> str:
    """Return what the names of `layers` say of their block; "" where they say nothing."""
    return next((match[0] for layer in layers if (match := _BLOCK_NAME_PATTERN.match(layer.name))), "")


def _has_own_weights(layers: Sequence[Any]) -> bool:
    """Say whether any of `layers` has weights of its own, normalisation aside."""
    return any(
        getattr(layer, "weights", ()) and not isinstance(layer, keras.layers.BatchNormalization) for layer in layers
    )


def _map_size(layer: Any) -> str:  # noqa: ANN401 - a layer or an operation
    """Return the size of a layer's maps as people say it: "14x14"."""
    shape = layer.output.shape
    return f"{shape[1]}x{shape[2]}" if len(shape) == 4 else ""


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
