"""Identity Reshapes are removed, and no others; zero padding survives max pooling in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graft.runtime.session import open_session
from zoo.convert.onnx_graph.graph_fixes import prevent_pad_fusion, remove_identity_reshapes


def reshape_model(*targets: list[int], last: str = "Abs") -> onnx.ModelProto:
    """Numbers -> Relu -> a Reshape for each of `targets` -> what is `last`."""
    constants = [numpy_helper.from_array(np.array(target), f"t{at}") for at, target in enumerate(targets)]
    nodes = [helper.make_node("Relu", ["image"], ["v0"])]
    nodes += [helper.make_node("Reshape", [f"v{at}", f"t{at}"], [f"v{at + 1}"]) for at in range(len(targets))]
    if last:
        nodes.append(helper.make_node(last, [f"v{len(targets)}"], ["features"]))
    else:
        nodes[-1].output[0] = "features"
    return helper.make_model(
        helper.make_graph(
            nodes,
            "reshapes",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 6, 1, 1])],
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, None)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )


@pytest.mark.parametrize(
    ("targets", "left"),
    [
        ([[-1, 6, 1, 1]], 0),
        ([[-1, 6, 1, 1], [-1, 6, 1, 1]], 0),
        ([[-1, 2, 3, 1]], 1),
        ([[-1, 6, 1]], 1),
        ([[-1, 2, 3, 1], [-1, 2, 3, 1]], 1),
        ([[0, 6, 1, 1]], 1),  # the same, said otherwise; it may stay
        ([[2, 6, 1, 1]], 1),  # of another batch it would fail
    ],
)
def test_drop_reshapes_removes_no_op_reshapes(targets: list[list[int]], left: int) -> None:
    before, after = reshape_model(*targets), reshape_model(*targets)
    remove_identity_reshapes(after)
    assert sum(node.op_type == "Reshape" for node in after.graph.node) == left
    image = np.random.default_rng(0).normal(size=(2, 6, 1, 1)).astype(np.float32)
    answers = [open_session(one.SerializeToString()).run(None, {"image": image})[0] for one in (before, after)]
    np.testing.assert_array_equal(*answers)


def test_drop_reshapes_keeps_a_reshape_that_gives_the_output() -> None:
    model = reshape_model([-1, 6, 1, 1], last="")
    remove_identity_reshapes(model)
    assert [node.op_type for node in model.graph.node] == ["Relu", "Reshape"]


def pad_model(*before: str) -> onnx.ModelProto:
    """`before`, then one row and column of zeros at the end, then max pooling of 2 x 2."""
    names = ["image", *(f"after_{op}" for op in before)]
    first = [helper.make_node(op, [a], [b]) for op, a, b in zip(before, names, names[1:], strict=False)]
    nodes = [
        *first,
        helper.make_node("Pad", [names[-1], "pads"], ["padded"]),
        helper.make_node("MaxPool", ["padded"], ["features"], kernel_shape=[2, 2]),
    ]
    value = helper.make_tensor_value_info
    model = helper.make_graph(
        nodes,
        "g",
        [value("image", TensorProto.FLOAT, [1, 1, 3, 3])],
        [value("features", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array([0, 0, 0, 0, 0, 0, 1, 1]), "pads")],
    )
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_shield_pads_keeps_zero_padding_below_max_pooling() -> None:
    model = pad_model("Neg")
    prevent_pad_fusion(model.graph)
    (pooled,) = open_session(model.SerializeToString()).run(None, {"image": np.ones((1, 1, 3, 3), np.float32)})
    assert pooled[0, 0, -1, -1] == pytest.approx(0)
    assert pooled[0, 0, 0, 0] == -1


@pytest.mark.parametrize("before", [("Relu",), ("Neg", "Relu")])
def test_shield_pads_leaves_graphs_with_relu_alone(before: tuple[str, ...]) -> None:
    model = pad_model(*before)
    plain = model.SerializeToString()
    prevent_pad_fusion(model.graph)
    assert model.SerializeToString() == plain
