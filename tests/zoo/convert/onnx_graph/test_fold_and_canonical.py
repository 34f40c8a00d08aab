"""Graphs: what is folded computes the same, and one graph has one form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from graft.runtime.session import open_session
from zoo.convert.onnx_graph.canonical import canonical, serialize_onnx
from zoo.convert.onnx_graph.fold_batchnorm import fold

SIZE, CHANNELS = 9, 4


def convolution(
    tag: str = "", order: int = 1, *, shape: Sequence[int] = (1, CHANNELS, 1, 1), pad: float = 0.0
) -> bytes:
    """Pad, a depthwise Conv, Mul and Add by channel, two branches and their sum; `tag`, `order`: how it is named."""
    rng = np.random.default_rng(0)
    constants = {
        "kernel": rng.normal(size=(CHANNELS, 1, 3, 3)).astype(np.float32),
        "gamma": rng.normal(size=shape).astype(np.float32),
        "beta": rng.normal(size=shape).astype(np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 0, 2]),
        "value": np.float32(pad),
        "copy": np.array([0, 0, 1, 1, 0, 0, 0, 2]),  # the same bytes as "pads"
    }
    nodes = [
        helper.make_node("Pad", ["image", f"{tag}pads", f"{tag}value"], [f"{tag}p"], name=f"{tag}1"),
        helper.make_node("Conv", [f"{tag}p", f"{tag}kernel"], [f"{tag}c"], group=CHANNELS, strides=[2, 2]),
        helper.make_node("Mul", [f"{tag}c", f"{tag}gamma"], [f"{tag}m"]),
        helper.make_node("Add", [f"{tag}beta", f"{tag}m"], [f"{tag}a"], name=f"{tag}last"),
    ]
    branches = [helper.make_node(kind, [f"{tag}a"], [f"{tag}{kind}"]) for kind in ("Relu", "Abs")][::order]
    total = helper.make_node("Add", [f"{tag}Relu", f"{tag}Abs"], ["features"])
    tensors = [numpy_helper.from_array(array, f"{tag}{name}") for name, array in constants.items()][::order]
    graph = helper.make_graph(
        [*nodes, *branches, total],
        f"{tag}graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [f"{tag}b", CHANNELS, SIZE, SIZE])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [f"{tag}b", CHANNELS, None, None])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name=tag, ir_version=9)
    return bytes(model.SerializeToString())


def answer(model: onnx.ModelProto) -> NDArray[np.float32]:
    image = np.random.default_rng(1).normal(size=(3, CHANNELS, SIZE, SIZE)).astype(np.float32)
    features: NDArray[np.float32] = open_session(model.SerializeToString()).run(None, {"image": image})[0]
    return features


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_fold_batch_norm_and_padding_into_the_convolution() -> None:
    plain, folded = (onnx.load_from_string(convolution()) for _ in "ab")
    fold(folded)
    assert kinds(folded) == {"Conv": 1, "Relu": 1, "Abs": 1, "Add": 1}
    np.testing.assert_allclose(answer(folded), answer(plain), atol=1e-5)
    assert len(folded.graph.initializer) == 2


@pytest.mark.parametrize("shape", [(CHANNELS, 1, 1), (1,), ()], ids=["three axes", "one number", "scalar"])
def test_fold_per_channel_constants(shape: Sequence[int]) -> None:
    plain, folded = (onnx.load_from_string(convolution(shape=shape)) for _ in "ab")
    assert kinds(fold(folded))["Mul"] == 0
    np.testing.assert_allclose(answer(folded), answer(plain), atol=1e-5)


def test_fold_leaves_per_column_constants_alone() -> None:
    plain, folded = (onnx.load_from_string(convolution(shape=(5,))) for _ in "ab")
    assert kinds(fold(folded))["Mul"] == 1
    np.testing.assert_allclose(answer(folded), answer(plain), atol=1e-5)


def test_fold_leaves_nonzero_padding_alone() -> None:
    plain, folded = (onnx.load_from_string(convolution(pad=1.5)) for _ in "ab")
    assert kinds(fold(folded))["Pad"] == 1
    np.testing.assert_allclose(answer(folded), answer(plain), atol=1e-5)


def test_fold_leaves_a_shared_convolution_alone() -> None:
    model = onnx.load_from_string(convolution())
    model.graph.node[-1].input[1] = "c"
    before = answer(model)
    assert kinds(fold(model))["Mul"] == 1
    np.testing.assert_array_equal(answer(model), before)


def test_fold_leaves_a_computed_kernel_alone() -> None:
    model = onnx.load_from_string(convolution())
    model.graph.node.insert(0, helper.make_node("Neg", ["kernel"], ["computed"]))
    next(node for node in model.graph.node if node.op_type == "Conv").input[1] = "computed"
    before = answer(model)
    assert kinds(fold(model))["Mul"] == 1
    np.testing.assert_array_equal(answer(model), before)


def test_canonical_bytes_do_not_depend_on_names_or_order() -> None:
    one, other = (onnx.load_from_string(convolution(*how)) for how in (("x", 1), ("other/", -1)))
    assert serialize_onnx(canonical(one)) == serialize_onnx(canonical(other))


def test_canonical_graph_computes_the_same_and_merges_constants() -> None:
    model = onnx.load_from_string(convolution("x"))
    results = canonical(model)
    np.testing.assert_array_equal(answer(results), answer(model))
    assert len(results.graph.initializer) == 5
    assert results.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"


def test_canonical_graph_merges_equal_nodes() -> None:
    """Twins would else stand in the order, and bear the names, that the converter happened to give them."""
    results = []
    for twin in ("Relu", "Abs"):
        model = onnx.load_from_string(convolution())
        last = model.graph.node.pop()
        copy = helper.make_node(twin, ["a"], ["twin"])
        sums = [
            helper.make_node("Add", ["Relu", "Abs"], ["sum"]),
            helper.make_node("Add", ["sum", "twin"], ["features"]),
        ]
        model.graph.node.extend([copy, *sums])
        assert len(canonical(model).graph.node) == len(model.graph.node) - 1
        assert last.op_type == "Add"
        results.append(answer(canonical(model)))
        np.testing.assert_array_equal(results[-1], answer(model))
    assert (results[0] != results[1]).any()


def test_canonical_bytes_depend_on_weights() -> None:
    one, other = (onnx.load_from_string(convolution()) for _ in "ab")
    other.graph.initializer[0].raw_data = one.graph.initializer[0].raw_data[::-1]
    assert serialize_onnx(canonical(one)) != serialize_onnx(canonical(other))


def test_canonical_is_idempotent() -> None:
    once = canonical(onnx.load_from_string(convolution("x")))
    assert serialize_onnx(canonical(once)) == serialize_onnx(once)
