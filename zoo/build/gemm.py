"""A dense layer and what follows it, as the ONNX file of a head."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ScoreActivation = Literal["Softmax", "Sigmoid", "Identity"]  # ONNX's operators between logits and scores
Float32Array = NDArray[np.float32]


def dense_head_onnx(kernel: Float32Array, bias: Float32Array, activation: ScoreActivation, trunk: Path) -> bytes:
    """Return the bytes of head.onnx: features, float32 [n,d] -> link(features @ kernel + bias), float32 [n,k].

    `kernel` is [d,k], `bias` [k]; opset and IR version are those of `trunk`.
    """
    trunk_model = onnx.load(trunk, load_external_data=False)
    opset = next(entry.version for entry in trunk_model.opset_import if entry.domain in ("", "ai.onnx"))
    d, k = kernel.shape
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
            helper.make_node(activation, ["logits"], ["scores"]),  # of Softmax the axis is the last by default
        ],
        "head",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", d])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", k])],
        [
            numpy_helper.from_array(np.ascontiguousarray(kernel.T, np.float32), "weights"),
            numpy_helper.from_array(np.ascontiguousarray(bias, np.float32), "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=trunk_model.ir_version, producer_name="graft")
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
