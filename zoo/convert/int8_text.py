"""int8 text trunks by dynamic quantization per token, so that a text's features do not depend on its batch.

Weights are quantized once, per output channel; activations at run time, each row (one token) by its own largest value.
ONNX Runtime's dynamic quantization uses one scale for the whole batch instead: neighbours and padding then change the
features. No calibration is needed. The method is LLM.int8's (Dettmers et al. 2022, https://arxiv.org/abs/2208.07339)
without its outliers.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from zoo.convert.onnx_graph.canonical import serialize_onnx

_CONTRIB_DOMAIN: Final = "com.microsoft"  # has MatMulIntegerToFloat
# Seven bits: x86 CPUs without VNNI add two products in 16 bits, and 2 * 255 * 63 fits there. So the integer part is the
# same on every CPU.
_MAX_WEIGHT_LEVEL: Final = 63
_MAX_ACTIVATION_LEVEL: Final = 127
_ZERO_POINT: Final = 128
_MIN_RANGE: Final = 1e-30  # a row or a channel of zeros stays zeros


def quantize_dense_layers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a text trunk with each dense layer (Gemm with a constant kernel) in int8.

    Inputs, outputs and opset stay the same; ONNX Runtime's contrib operators are needed in addition.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = _DenseQuantizer(result.graph)
    for node in model.graph.node:
        graph.add_node(node)
    graph.write_graph()
    result.opset_import.append(onnx.helper.make_opsetid(_CONTRIB_DOMAIN, 1))
    onnx.checker.check_model(result, full_check=True)
    return result


def quantize_text_trunk(trunk: Path) -> tuple[bytes, dict[str, Any]]:
    """Quantize an fp32 text trunk to int8; return the bytes of trunk.onnx and the facts to record."""
    tools = {package: version(package) for package in ("onnx", "onnxruntime")}
    return serialize_onnx(quantize_dense_layers(onnx.load(trunk, load_external_data=False))), {"tools": tools}


class _DenseQuantizer:
    """A graph whose dense layers are replaced by int8 ones, node by node, in order."""

    def __init__(self, proto: onnx.GraphProto) -> None:
        self._proto = proto
        self._constants = {tensor.name: tensor for tensor in proto.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._row_levels: dict[str, tuple[str, str]] = {}

    def add_node(self, node: onnx.NodeProto) -> None:
        """Add a node unchanged, or in int8 if it is a Gemm with a constant kernel."""
        if node.op_type != "Gemm" or node.input[1] not in self._constants:
            self._nodes.append(node)
            return
        rows, kernel, *bias = node.input
        weight, by_channel = _quantize_per_channel(numpy_helper.to_array(self._constants[kernel]))
        levels, by_row = self._quantize_rows(rows)
        output = node.output[0]
        one, zero = self._add_constant(np.array(1, np.float32)), self._add_constant(np.array(_ZERO_POINT, np.uint8))
        inputs = [levels, self._add_constant(weight), one, self._add_constant(by_channel), zero]
        self._add_op("MatMulIntegerToFloat", inputs, f"{output}_product", domain=_CONTRIB_DOMAIN)
        scaled = f"{output}_scaled" if bias else output
        self._add_op("Mul", [f"{output}_product", by_row], scaled)
        if bias:
            self._add_op("Add", [scaled, *bias], output)

    def write_graph(self) -> None:
        """Write the nodes and the constants that they read into the graph."""
        names_in_use = {name for node in self._nodes for name in node.input}
        del self._proto.node[:], self._proto.initializer[:]
        self._proto.node.extend(self._nodes)
        self._proto.initializer.extend(
            self._constants[name] for name in sorted(self._constants) if name in names_in_use
        )

    def _quantize_rows(self, rows: str) -> tuple[str, str]:
        """Quantize each row by its own scale: float32 [m,k] -> uint8 [m,k] and the scales, float32 [m,1]."""
        if rows not in self._row_levels:
            zero, step = (
                self._add_constant(np.array(_ZERO_POINT, np.uint8)),
                np.array(1 / _MAX_ACTIVATION_LEVEL, np.float32),
            )
            min_range = self._add_constant(np.array(_MIN_RANGE, np.float32))
            channels = self._add_constant(np.array([1]))
            self._add_op("ReduceMax", [rows, channels], f"{rows}_high")
            self._add_op("ReduceMin", [rows, channels], f"{rows}_low")
            self._add_op("Neg", [f"{rows}_low"], f"{rows}_depth")
            self._add_op("Max", [f"{rows}_high", f"{rows}_depth", min_range], f"{rows}_most")
            self._add_op("Mul", [f"{rows}_most", self._add_constant(step)], f"{rows}_scale")
            self._add_op("Squeeze", [f"{rows}_scale", channels], f"{rows}_scales")
            self._add_op("Shape", [f"{rows}_scales"], f"{rows}_count")
            self._add_op("Expand", [zero, f"{rows}_count"], f"{rows}_zeros")
            levels = f"{rows}_levels"
            self._add_op("QuantizeLinear", [rows, f"{rows}_scales", f"{rows}_zeros"], levels, axis=0)
            self._row_levels[rows] = (f"{rows}_levels", f"{rows}_scale")
        return self._row_levels[rows]

    def _add_constant(self, array: NDArray[Any]) -> str:
        content = f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
        name = "c_" + hashlib.sha256(content).hexdigest()[:32]
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def _add_op(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:  # noqa: ANN401
        self._nodes.append(onnx.helper.make_node(op, inputs, [output], f"n_{output}", **attributes))


def _quantize_per_channel(kernel: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a kernel, float32 [k,m], as int8 [k,m] and the step of each output channel, float32 [m]."""
    steps = np.maximum(np.abs(kernel).max(axis=0) / _MAX_WEIGHT_LEVEL, _MIN_RANGE).astype(np.float32)
    return np.rint(kernel / steps).astype(np.int8), steps
