"""A Reshape that changes no shape is taken out, and no other."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graft.runtime.session import open_session
from zoo.convert.onnx_graph.identity_reshapes import remove_identity_reshapes


def model(*targets: list[int], last: str = "Abs") -> onnx.ModelProto:
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
    before, after = model(*targets), model(*targets)
    remove_identity_reshapes(after)
    assert sum(node.op_type == "Reshape" for node in after.graph.node) == left
    image = np.random.default_rng(0).normal(size=(2, 6, 1, 1)).astype(np.float32)
    answers = [open_session(one.SerializeToString()).run(None, {"image": image})[0] for one in (before, after)]
    np.testing.assert_array_equal(*answers)


def test_drop_reshapes_keeps_a_reshape_that_gives_the_output() -> None:
    made = model([-1, 6, 1, 1], last="")
    remove_identity_reshapes(made)
    assert [node.op_type for node in made.graph.node] == ["Relu", "Reshape"]
