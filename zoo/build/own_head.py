"""The errand "head": the own classifier of a backbone, from its weights, as head.onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from zoo.backbone import Backbone, get_backbone
from zoo.build.gemm import Float32Array, dense_head_onnx
from zoo.errors import WeightsError


def extract_classifier_head(request: dict[str, Any], into: Path) -> dict[str, Any]:
    """Write head.onnx into `into`: features, float32 [n,d] -> probabilities, float32 [n,k]; return its facts.

    `request` has backbone and weights, those that the trunk was built from, trunk, and how many classes there are; and
    where the classifier is, as `zoo.heads.OwnHead` says it; `whole` is its file, where it has one of its own.

    Raises:
        TrunkError: the network does not end with a dense layer.
        RecipeError: a preset's classifier is not one dense layer on the trunk's features.
        WeightsError: a file does not hold what it must.
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


def _read_kernel_and_bias(backbone: Backbone, request: dict[str, Any], weights: Path) -> tuple[Float32Array, Float32Array]:
    if "factory" in request:
        from zoo.build.head import extract_application_head

        return extract_application_head(
            backbone, request["factory"], weights, Path(request["whole"]) if "whole" in request else None
        )
    if "kernel" not in request:
        from zoo.build.preset_head import extract_preset_head

        return extract_preset_head(backbone, weights)
    from zoo.build.pytorch import read_state_dict

    tensors = read_state_dict(weights)
    try:
        kernel, bias = tensors[request["kernel"]], tensors[request["bias"]]
    except KeyError as name:
        raise WeightsError(f"{weights} has no tensor {name}. Run `zoo verify {backbone.name}`.") from None
    return np.asarray(kernel.T, np.float32), np.asarray(bias, np.float32)
