"""Task "head" of the conversion child process: write a backbone's pretrained classifier as head.onnx.

`dense_head_onnx` writes any dense layer with its activation as the ONNX file of a head.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from graft.errors import WeightsError
from graft.types import Float32Array
from zoo.catalog.backbone import Backbone
from zoo.catalog.find import get_backbone

ScoreActivation = Literal["Softmax", "Sigmoid", "Identity"]  # ONNX's operators between logits and scores


def extract_classifier_head(request: dict[str, Any], into: Path) -> dict[str, Any]:
    """Write INTO/head.onnx: features, float32 [n,d] -> probabilities, float32 [n,k]; return its facts.

    Keys of `request`: backbone, weights (the file that the trunk was built from), trunk, classes (their number), and
    where the classifier is: `factory` of keras.applications with `whole`, its file if it has one of its own; or the
    tensor names `kernel` and `bias` in `weights`; or none of these for a KerasHub preset.

    Raises:
        TrunkError: the network does not end with a dense layer.
        RecipeError: a preset's classifier is not one dense layer on the trunk's features.
        WeightsError: a file does not hold the expected weights.
    """
    backbone, weights = get_backbone(request["backbone"]), Path(request["weights"])
    kernel, bias = _read_kernel_and_bias(backbone, request, weights)
    if kernel.shape != (backbone.width or len(kernel), request["classes"]) or bias.shape != kernel.shape[1:]:
        raise WeightsError(
            f"the classifier of {backbone.name} has weights {list(kernel.shape)} and {list(bias.shape)}; "
            f"the trunk gives {backbone.width} features, and there are {request['classes']} classes."
        )
    (into / "head.onnx").write_bytes(dense_head_onnx(kernel, bias, "Softmax", Path(request["trunk"])))
    return {"classes": len(bias)}


def _read_kernel_and_bias(
    backbone: Backbone, request: dict[str, Any], weights: Path
) -> tuple[Float32Array, Float32Array]:
    if "factory" in request:
        from zoo.convert.keras_classifier import extract_application_head

        return extract_application_head(
            backbone, request["factory"], weights, Path(request["whole"]) if "whole" in request else None
        )
    if "kernel" not in request:
        from zoo.convert.keras_classifier import extract_preset_head

        return extract_preset_head(backbone, weights)
    from zoo.convert.networks.pytorch_checkpoint import read_state_dict

    tensors = read_state_dict(weights)
    try:
        kernel, bias = tensors[request["kernel"]], tensors[request["bias"]]
    except KeyError as name:
        raise WeightsError(f"{weights} has no tensor {name}. Run `zoo verify {backbone.name}`.") from None
    return np.asarray(kernel.T, np.float32), np.asarray(bias, np.float32)


def dense_head_onnx(kernel: Float32Array, bias: Float32Array, activation: ScoreActivation, trunk: Path) -> bytes:
    """Return the bytes of head.onnx: features, float32 [n,d] -> activation(features @ kernel + bias), float32 [n,k].

    Args:
        kernel: float32 [d,k].
        bias: float32 [k].
        activation: the ONNX operator between logits and scores.
        trunk: trunk.onnx, whose opset and IR version the head gets, so that both can be merged.
    """
    trunk_model = onnx.load(trunk, load_external_data=False)
    opset = next(entry.version for entry in trunk_model.opset_import if entry.domain in ("", "ai.onnx"))
    d, k = kernel.shape
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
            helper.make_node(activation, ["logits"], ["scores"]),  # Softmax: over the last axis by default
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
