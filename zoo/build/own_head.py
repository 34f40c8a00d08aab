"""The errand "head": the own classifier of a backbone, from its weights, as head.onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from zoo.backbone import Backbone, get
from zoo.build.gemm import Floats, head_onnx
from zoo.errors import WeightsError


def take(wish: dict[str, Any], into: Path) -> dict[str, Any]:
    """Write head.onnx into `into`: features, float32 [n,d] -> probabilities, float32 [n,k]; return its facts.

    `wish` has backbone and weights, those that the trunk was built from, trunk, and how many classes there are; and
    where the classifier is, as `zoo.heads.OwnHead` says it; `whole` is its file, where it has one of its own.

    Raises:
        TrunkError: the network does not end with a dense layer.
        RecipeError: a preset's classifier is not one dense layer on the trunk's features.
        WeightsError: a file does not hold what it must.
    """
    backbone, weights = get(wish["backbone"]), Path(wish["weights"])
    kernel, bias = _taken(backbone, wish, weights)
    if kernel.shape != (backbone.width or len(kernel), wish["classes"]) or bias.shape != kernel.shape[1:]:
        raise WeightsError(
            f"the classifier of {backbone.name} has weights {list(kernel.shape)} and {list(bias.shape)}; "
            f"the trunk gives {backbone.width} features, and there are {wish['classes']} classes."
        )
    (into / "head.onnx").write_bytes(head_onnx(kernel, bias, "Softmax", Path(wish["trunk"])))
    return {"classes": len(bias)}


def _taken(backbone: Backbone, wish: dict[str, Any], weights: Path) -> tuple[Floats, Floats]:
    if "factory" in wish:
        from zoo.build.head import head_of

        return head_of(backbone, wish["factory"], weights, Path(wish["whole"]) if "whole" in wish else None)
    if "kernel" not in wish:
        from zoo.build.preset_head import head_of_preset

        return head_of_preset(backbone, weights)
    from zoo.build.pytorch import read_state_dict

    tensors = read_state_dict(weights)
    try:
        kernel, bias = tensors[wish["kernel"]], tensors[wish["bias"]]
    except KeyError as name:
        raise WeightsError(f"{weights} has no tensor {name}. Run `zoo verify {backbone.name}`.") from None
    return np.asarray(kernel.T, np.float32), np.asarray(bias, np.float32)
