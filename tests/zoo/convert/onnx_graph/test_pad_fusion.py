"""Zeros at the edge stay zeros under max pooling, though ONNX Runtime would fuse them away."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graft.runtime.session import open_session
from zoo.convert.onnx_graph.pad_fusion import prevent_pad_fusion


def graph(*before: str) -> onnx.ModelProto:
    """`before`, then one row and column of zeros at the end, then max pooling of 2 x 2."""
    names = ["image", *(f"after_{op}" for op in before)]
    first = [helper.make_node(op, [a], [b]) for op, a, b in zip(before, names, names[1:], strict=False)]
    nodes = [
        *first,
        helper.make_node("Pad", [names[-1], "pads"], ["padded"]),
        helper.make_node("MaxPool", ["padded"], ["features"], kernel_shape=[2, 2]),
    ]
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "g",
        [value("image", TensorProto.FLOAT, [1, 1, 3, 3])],
        [value("features", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array([0, 0, 0, 0, 0, 0, 1, 1]), "pads")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_shield_pads_keeps_zero_padding_below_max_pooling() -> None:
    model = graph("Neg")
    prevent_pad_fusion(model.graph)
    (pooled,) = open_session(model.SerializeToString()).run(None, {"image": np.ones((1, 1, 3, 3), np.float32)})
    assert pooled[0, 0, -1, -1] == pytest.approx(0)
    assert pooled[0, 0, 0, 0] == -1


@pytest.mark.parametrize("before", [("Relu",), ("Neg", "Relu")])
def test_shield_pads_leaves_graphs_with_relu_alone(before: tuple[str, ...]) -> None:
    model = graph(*before)
    plain = model.SerializeToString()
    prevent_pad_fusion(model.graph)
    assert model.SerializeToString() == plain
