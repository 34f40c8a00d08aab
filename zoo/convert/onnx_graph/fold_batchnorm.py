"""Fold batch normalization and zero padding into convolutions.

TensorFlow's optimizer folds batch normalization into plain convolutions but not into depthwise ones. Quantization needs
it everywhere: each remaining multiplication would be rounded once more.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold into each Conv the Mul and Add after it and the zero Pad before it; return `model`, changed in place."""
    graph = _FoldingGraph(model)
    for conv in [node for node in model.graph.node if node.op_type == "Conv"]:
        graph.fold_pad(conv)
        while graph.fold_following_op(conv):
            pass
    graph.remove_unused_constants()
    return model


class _FoldingGraph:
    """A graph with an index of its constants, producers and consumers."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.proto = model.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in self.proto.initializer}
        self.producers = {name: node for node in self.proto.node for name in node.output}
        self.consumer_counts = Counter(name for node in self.proto.node for name in node.input)
        self.consumer_counts.update(output.name for output in self.proto.output)

    def fold_following_op(self, conv: onnx.NodeProto) -> bool:
        """Fold a Mul or Add that is the only consumer of `conv`; return False if there is none."""
        output = conv.output[0]
        if not self.constants.keys() >= set(conv.input[1:]):
            return False
        follower = next((node for node in self.proto.node if output in node.input), None)
        if follower is None or follower.op_type not in ("Mul", "Add") or self.consumer_counts[output] != 1:
            return False
        other = follower.input[1] if follower.input[0] == output else follower.input[0]
        weight = self.constants[conv.input[1]]
        factor = self._per_channel(other, len(weight))
        if factor is None:
            return False
        bias = self.constants[conv.input[2]] if len(conv.input) > 2 else np.zeros(len(weight), np.float32)
        if follower.op_type == "Mul":
            weight, bias = weight * factor.reshape(-1, 1, 1, 1), bias * factor
        else:
            bias = bias + factor
        self._replace_conv_inputs(conv, follower, weight, bias)
        return True

    def fold_pad(self, conv: onnx.NodeProto) -> None:
        """Fold a zero Pad before `conv` into its `pads` attribute, if there is one."""
        pad = self.producers.get(conv.input[0])
        if pad is None or pad.op_type != "Pad" or self.consumer_counts[conv.input[0]] != 1 or len(pad.input) > 3:
            return
        mode = next((a.s for a in pad.attribute if a.name == "mode"), b"constant")
        amounts = self.constants.get(pad.input[1])
        value = self.constants.get(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.float32(0)
        if mode != b"constant" or amounts is None or value is None or np.any(value):
            return
        begin, end = amounts[:4], amounts[4:]
        attributes = {a.name: a for a in conv.attribute}
        automatic = "auto_pad" in attributes and attributes["auto_pad"].s != b"NOTSET"
        if automatic or np.any(amounts < 0) or np.any(begin[:2]) or np.any(end[:2]):
            return
        pads = np.array(attributes["pads"].ints if "pads" in attributes else (0, 0, 0, 0))
        pads = pads + np.concatenate([begin[2:], end[2:]])
        if "pads" in attributes:
            conv.attribute.remove(attributes["pads"])
        conv.attribute.append(onnx.helper.make_attribute("pads", pads.tolist()))
        conv.input[0] = pad.input[0]
        self.proto.node.remove(pad)

    def remove_unused_constants(self) -> None:
        """Remove the constants that no node reads any more."""
        names_in_use = {name for node in self.proto.node for name in node.input}
        tensors_in_use = [tensor for tensor in self.proto.initializer if tensor.name in names_in_use]
        del self.proto.initializer[:]
        self.proto.initializer.extend(tensors_in_use)

    def _per_channel(self, name: str, channels: int) -> NDArray[np.float32] | None:
        """Return a constant as float32 [channels] if it broadcasts as one value per channel of NCHW; otherwise None."""
        constant = self.constants.get(name)
        if constant is None:
            return None
        shape = (1,) * (4 - constant.ndim) + constant.shape
        if len(shape) != 4 or (shape[0], *shape[2:]) != (1, 1, 1) or shape[1] not in (1, channels):
            return None
        return np.broadcast_to(constant.reshape(-1), (channels,)).astype(np.float32)

    def _replace_conv_inputs(
        self, conv: onnx.NodeProto, follower: onnx.NodeProto, weight: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> None:
        names = (f"{follower.output[0]}/weight", f"{follower.output[0]}/bias")
        for name, array in zip(names, (weight, bias), strict=True):
            self.constants[name] = array.astype(np.float32)
            self.proto.initializer.append(numpy_helper.from_array(self.constants[name], name))
        source, output = conv.input[0], follower.output[0]
        del conv.input[:], conv.output[:]
        conv.input.extend((source, *names))
        conv.output.append(output)
        self.proto.node.remove(follower)
