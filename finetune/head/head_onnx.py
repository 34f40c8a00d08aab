"""A fitted head as one Gemm, and its file head.onnx."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from finetune.head.novelty_scores import Novelty
from finetune.head.standardize import Scaler
from graft.bundle.signature import TensorSpec
from graft.types import Float32Array, Float64Array

ChoiceT = TypeVar("ChoiceT")  # a frozen dataclass: hyper-parameters, chosen on the validation part
HeadLink = Literal["Softmax", "Sigmoid", "Identity"]  # ONNX's operators between logits and scores


@dataclass(frozen=True, slots=True)
class Head(Generic[ChoiceT]):
    """Features [n,d] -> scores [n,k]: link(features @ weights.T + bias), with the standardisation folded in."""

    kind: str  # "logistic", "one-vs-rest logistic", "ridge"
    link: HeadLink
    weights: Float32Array  # [k,d]
    bias: Float32Array  # [k]
    choice: ChoiceT
    dropped_features: int  # count of nearly constant features, which have no weight
    novelty: Novelty | None = None  # the score behind "unknown"; None: not asked for

    @classmethod
    def from_standardized(
        cls, kind: str, link: HeadLink, scaler: Scaler, weights: Float64Array, bias: Float64Array, choice: ChoiceT
    ) -> Head[ChoiceT]:
        """Return a head of `weights` [k,e] and `bias` [k] for standardised features, with `scaler` folded in."""
        folded = np.zeros((len(weights), len(scaler.feature_mask)))
        folded[:, scaler.feature_mask] = weights / scaler.scale
        shift = bias - folded[:, scaler.feature_mask] @ scaler.mean
        dropped = int((~scaler.feature_mask).sum())
        return cls(kind, link, folded.astype(np.float32), shift.astype(np.float32), choice, dropped)

    def facts(self) -> dict[str, Any]:
        """Return the manifest's entry `head`, ready for JSON."""
        facts = {"kind": self.kind, "features_dropped": self.dropped_features, **asdict(self.choice)}  # type: ignore[call-overload]
        return facts | ({"novelty": self.novelty.facts()} if self.novelty else {})

    def outputs(self) -> tuple[TensorSpec, ...]:
        """Return the outputs of head.onnx, for the signature of a bundle."""
        novelty = (TensorSpec("novelty", "float32", (-1,)),) if self.novelty else ()
        return (TensorSpec("scores", "float32", (-1, len(self.weights))), *novelty)

    def to_onnx(self, opset: int, ir_version: int) -> bytes:
        """Return the bytes of head.onnx: `features` float32 [n,d] -> `scores` [n,k] and, if fitted, `novelty` [n]."""
        k, d = self.weights.shape
        gemm = helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1)
        # The default axis of Softmax is the last one, from opset 13 on.
        link = helper.make_node(self.link, ["logits"], ["scores"])
        nodes, outputs = [gemm, link], [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", k])]
        constants = [numpy_helper.from_array(self.weights, "weights"), numpy_helper.from_array(self.bias, "bias")]
        if self.novelty:
            novelty_graph = self.novelty.score.to_graph()
            nodes, constants = [*nodes, *novelty_graph.nodes], [*constants, *novelty_graph.constants]
            outputs.append(helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["n"]))
        features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", d])
        graph = helper.make_graph(nodes, "head", [features], outputs, constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=ir_version,
            producer_name="graft",
        )
        onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def read_onnx_versions(trunk_path: Path) -> tuple[int, int]:
    """Return the opset and the IR version of a trunk's file; its head needs the same."""
    model = onnx.load(trunk_path, load_external_data=False)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return int(opset), int(model.ir_version)
