"""Cut a convolutional network in two: a frozen bottom, which runs in ONNX Runtime, and a tail, which is trained.

A cut is a tensor that alone connects the layers before it with those after it. Layers between two cuts are a segment;
segments with the same prefix in their layers' names ("block7a_…", "conv5_block3_…", "expanded_conv_10_…") are a block.
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

TOP_BLOCKS: Final = 2  # blocks that are trained at depth `top`, unless the recipe names a cut
_BLOCK_NAME_PATTERN: Final = re.compile(r"^.*?(?:block|expanded_conv)_?\d*[a-z]?(?=_|$)")
_MAP_SIZE_PATTERN: Final = re.compile(r"^(\d+)x(\d+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive layers of a network, between two cuts."""

    name: str  # prefix of the layers' names; "" if they have none: the first layers, and the last
    layers: tuple[Any, ...]  # Keras layers and operations, in the order they run

    @property
    def last_layer_name(self) -> str:
        """Return the name of the layer whose output the next block takes."""
        return str(self.layers[-1].name)


def find_segments(network: keras.Model) -> list[tuple[Any, ...]]:
    """Return the layers of `network` in the order they run, split at every possible cut.

    `network` must have one input and one output.
    """
    calls = _layer_calls(network)
    pending_reads: dict[int, int] = {}  # tensor -> the number of calls that have yet to read it
    for _, reads, _ in calls:
        for tensor in reads:
            pending_reads[id(tensor)] = pending_reads.get(id(tensor), 0) + 1
    alive = {id(network.inputs[0])}
    segments: list[tuple[Any, ...]] = []
    segment: list[Any] = []
    for layer, reads, writes in calls:
        for tensor in reads:
            pending_reads[id(tensor)] -= 1
            if not pending_reads[id(tensor)]:
                alive.discard(id(tensor))
        alive.update(id(tensor) for tensor in writes)
        segment.append(layer)
        if len(alive) == 1:
            segments.append(tuple(segment))
            segment = []
    return segments


def find_blocks(network: keras.Model) -> list[Block]:
    """Return the blocks of `network`, in order."""
    segments = find_segments(network)
    names = [_block_name(layers) for layers in segments]
    nameless = not any(names)  # then each layer with weights is a block
    merged: list[Block] = []
    for name, layers in zip(names, segments, strict=True):
        new = _has_own_weights(layers) and nameless  # starts a block, whatever its name
        if merged and not new and (name == merged[-1].name or not (name or _has_own_weights(layers))):
            merged[-1] = Block(merged[-1].name, merged[-1].layers + layers)
        else:
            merged.append(Block(name, layers))
    return merged


def find_cut_layer(network: keras.Model, cut: str) -> str:
    """Return the name of the layer after which `network` is cut; the layers behind it are trained.

    Args:
        network: the convolutional network.
        cut: the name of a layer; a map size such as "14x14", for the last block whose output has it; or "" for the
            cut before the last two blocks.

    Raises:
        RecipeError: the graph cannot be cut there; the message lists the layers and map sizes where it can.
    """
    blocks = find_blocks(network)
    if not cut:
        named_blocks = [number for number, block in enumerate(blocks) if block.name] or list(range(len(blocks)))
        first = named_blocks[-TOP_BLOCKS] if len(named_blocks) > TOP_BLOCKS else named_blocks[-1]
        return blocks[max(0, first - 1)].last_layer_name
    end_by_size = {_map_size(block.layers[-1]): block.last_layer_name for block in blocks[:-1]}
    if _MAP_SIZE_PATTERN.match(cut) and cut in end_by_size:
        return end_by_size[cut]
    if cut in {layers[-1].name for layers in find_segments(network)[:-1]}:
        return cut
    raise RecipeError(
        f"--cut {cut}: {network.name} cannot be cut there. Allowed are the layers "
        f"{', '.join(block.last_layer_name for block in blocks[:-1])}; or a map size, for the last block with it: "
        f"{', '.join(sorted(end_by_size, key=lambda side: -int(side.split('x')[0])))}."
    )


def block_rate_factors(network: keras.Model, layer_decay: float) -> dict[str, float]:
    """Return layer-wise learning-rate decay: the learning-rate factor of each trainable variable, by its path.

    The last block has the factor `layer_decay`, the one before it `layer_decay`², and so on; a head on top has 1.
    """
    blocks = find_blocks(network)
    return {
        variable.path: layer_decay ** (len(blocks) - number)
        for number, block in enumerate(blocks)
        for layer in block.layers
        for variable in getattr(layer, "trainable_variables", ())
    }


def _layer_calls(network: keras.Model) -> list[tuple[Any, Sequence[Any], Sequence[Any]]]:
    """Return the calls of layers in `network` in the order they run, each with the tensors it reads and writes."""
    ours = {id(node) for nodes in network._nodes_by_depth.values() for node in nodes}
    return [
        (layer, node.input_tensors, node.output_tensors)
        for layer in network.operations
        for node in layer._inbound_nodes
        if id(node) in ours and node.input_tensors
    ]


def _block_name(layers: Sequence[Any]) -> str:
    """Return the block prefix in the names of `layers`; "" if there is none."""
    return next((match[0] for layer in layers if (match := _BLOCK_NAME_PATTERN.match(layer.name))), "")


def _has_own_weights(layers: Sequence[Any]) -> bool:
    """Return whether any of `layers` has weights, apart from BatchNorm."""
    return any(
        getattr(layer, "weights", ()) and not isinstance(layer, keras.layers.BatchNormalization) for layer in layers
    )


def _map_size(layer: Any) -> str:  # noqa: ANN401 - a layer or an operation
    """Return the height and width of a layer's output, such as "14x14"; "" if it is not a map."""
    shape = layer.output.shape
    return f"{shape[1]}x{shape[2]}" if len(shape) == 4 else ""


def split_network(body: keras.Model, layer: str) -> tuple[keras.Model, keras.Model]:
    """Return bottom and tail of `body`, cut after `layer`: two networks that share its weights."""
    between = body.get_layer(layer).output
    return keras.Model(body.input, between, name="bottom"), keras.Model(between, body.output, name="tail")


def export_bottom_onnx(backbone: Backbone, body: keras.Model, cut: str) -> tuple[bytes, str, tuple[int, ...]]:
    """Convert the bottom of `body` to ONNX: `image` uint8 [n,s,s,3] -> `maps` float32 [n,h,w,c].

    Return the bytes of the graph, the name of the layer after which it was cut, and the shape (h, w, c).

    Raises:
        RecipeError: `body` cannot be cut at `cut` (see `find_cut_layer`).
        ParityError: ONNX Runtime does not reproduce Keras.
    """
    pixels = require_pixels(backbone)
    layer = find_cut_layer(body, cut)
    bottom, _ = split_network(body, layer)
    size = network_input_size(backbone)
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    model = keras.Model(image, bottom(scale_pixels(image, pixels.scaling), training=False))
    data = serialize_onnx(image_model_to_onnx(model, output="maps"))
    session = open_session(data)

    def runtime(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps: NDArray[np.float32] = session.run(None, {"image": images})[0]
        return maps

    check_image_parity(lambda images: keras.ops.convert_to_numpy(model(images, training=False)), runtime, size)
    return data, layer, tuple(model.output.shape[1:])
