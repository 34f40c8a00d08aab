"""Novelty scores for out-of-distribution samples ("unknown"), each a few operators of head.onnx.

Distance: the Mahalanobis distance to the nearest class mean, under one shrunk covariance that all classes share (Lee
et al. 2018, "A simple unified framework for detecting out-of-distribution samples"). It is measured along Fisher's
linear discriminants, the directions in which classes differ; in all others noise would hide it. The rest counts a
little, in sum, so that a sample of an entirely different kind is noticed as well.

Energy: minus the log-sum-exp of the logits (Liu et al. 2020, "Energy-based out-of-distribution detection").

`finetune.head.unknown` fits them. Shapes: n samples, d features, k classes, r = k - 1 discriminants or fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graft.types import Float32Array, Float64Array

MAX_DEVIATIONS: Final = 1e4  # features are clipped at this many deviations, so that squares stay finite in float32


@dataclass(frozen=True, slots=True)
class NoveltyGraph:
    """ONNX operators from `features` float32 [n,d] to `novelty` float32 [n], with their constants."""

    nodes: tuple[onnx.NodeProto, ...]
    constants: tuple[onnx.TensorProto, ...]


class NoveltyScore(Protocol):
    """Features -> a number that is larger for samples unlike the training data."""

    @property
    def kind(self) -> str:
        """The manifest's name for the score."""

    def __call__(self, x: Float32Array) -> Float64Array:
        """Return the novelty of `x` [n,d], float64 [n]; the graph computes the same in float32."""

    def to_graph(self) -> NoveltyGraph:
        """Return the score as ONNX operators, for any opset from 13 on."""


@dataclass(frozen=True, slots=True)
class DistanceScore:
    """The root of the mean squared distance along the discriminants plus a weighted sum of all squares."""

    kind: ClassVar[str] = "distance"
    centre: Float32Array  # [d]
    scale: Float32Array  # [d]; 0 for nearly constant features
    discriminants: Float32Array  # [d,r]
    class_means: Float32Array  # [k,r], in coordinates of the discriminants
    residual_weight: float  # of the sum of all squares

    def __call__(self, x: Float32Array) -> Float64Array:
        """Return the distance of `x` [n,d] from the nearest class, float64 [n]."""
        z = np.clip((x.astype(np.float64) - self.centre) * self.scale, -MAX_DEVIATIONS, MAX_DEVIATIONS)
        on = z @ self.discriminants
        places = self.class_means.astype(np.float64)
        near = ((places**2).sum(1) - 2 * on @ places.T).min(1)
        squares = near + (on**2).sum(1) + self.residual_weight * (z**2).sum(1)
        distance: Float64Array = np.sqrt(np.maximum(squares, 0))
        return distance

    def to_graph(self) -> NoveltyGraph:
        """Return the score as ONNX operators."""
        d, r = self.discriminants.shape
        nodes = (
            _node("Sub", "features", "n_centre", output="n_moved"),
            _node("Mul", "n_moved", "n_scale", output="n_scaled"),
            _node("Clip", "n_scaled", "n_low", "n_high", output="n_z"),
            _node("MatMul", "n_z", "n_axes", output="n_on"),
            _node("Gemm", "n_on", "n_places", "n_lengths", output="n_each", transB=1),
            _row_minimum("n_each", "n_near"),
            _node("Mul", "n_on", "n_on", output="n_on_squared"),
            _node("MatMul", "n_on_squared", "n_ones", output="n_own"),
            _node("Mul", "n_z", "n_z", output="n_z_squared"),
            _node("MatMul", "n_z_squared", "n_rest", output="n_off"),
            _node("Sum", "n_near", "n_own", "n_off", output="n_squares"),
            _node("Max", "n_squares", "n_zero", output="n_positive"),
            _node("Sqrt", "n_positive", output="n_column"),
            _flatten_to_novelty("n_column"),
        )
        constants = {
            "n_centre": self.centre,
            "n_scale": self.scale,
            "n_low": np.float32(-MAX_DEVIATIONS),
            "n_high": np.float32(MAX_DEVIATIONS),
            "n_axes": self.discriminants,
            "n_places": -2 * self.class_means,
            "n_lengths": (self.class_means.astype(np.float64) ** 2).sum(1).astype(np.float32),
            "n_ones": np.ones((r, 1), np.float32),
            "n_rest": np.full((d, 1), self.residual_weight, np.float32),
            "n_zero": np.float32(0),
        }
        return _build_graph(nodes, constants)


@dataclass(frozen=True, slots=True)
class EnergyScore:
    """Minus the log-sum-exp of the logits, features @ weights.T + bias."""

    kind: ClassVar[str] = "energy"
    weights: Float32Array  # [k,d]
    bias: Float32Array  # [k]

    def __call__(self, x: Float32Array) -> Float64Array:
        """Return the energy of `x` [n,d], float64 [n]."""
        logits = x.astype(np.float64) @ self.weights.T + self.bias
        max_logit = logits.max(1)
        energy: Float64Array = -(max_logit + np.log(np.exp(logits - max_logit[:, None]).sum(1)))
        return energy

    def to_graph(self) -> NoveltyGraph:
        """Return the score as ONNX operators; the largest logit is subtracted first, so that nothing overflows."""
        nodes = (
            _node("Gemm", "features", "n_weights", "n_bias", output="n_downhill", transB=1),  # minus the logits
            _row_minimum("n_downhill", "n_lowest"),
            _node("Sub", "n_lowest", "n_downhill", output="n_below"),
            _node("Exp", "n_below", output="n_parts"),
            _node("MatMul", "n_parts", "n_ones", output="n_sum"),
            _node("Log", "n_sum", output="n_log"),
            _node("Sub", "n_lowest", "n_log", output="n_column"),
            _flatten_to_novelty("n_column"),
        )
        ones = np.ones((len(self.bias), 1), np.float32)
        return _build_graph(nodes, {"n_weights": -self.weights, "n_bias": -self.bias, "n_ones": ones})


@dataclass(frozen=True, slots=True)
class Novelty:
    """A score with the threshold above which the answer is "unknown", and how both were chosen."""

    score: NoveltyScore
    threshold: float
    coverage: float  # share of the validation samples that are not above the threshold, and so are not "unknown"
    unit: float  # standard deviation of the score on the validation part
    auroc: dict[str, float | None]  # by kind of score, mean over `excluded_classes`; None without any
    excluded_classes: tuple[str, ...]  # unseen classes that the scores were compared on

    def facts(self) -> dict[str, Any]:
        """Return the manifest's entry `novelty`, ready for JSON."""
        return {
            "kind": self.score.kind,
            "threshold": self.threshold,
            "known": self.coverage,
            "unit": self.unit,
            "auroc": dict(self.auroc),
            "held_out": list(self.excluded_classes),
        }


def _node(operator: str, *sources: str, output: str, **attributes: Any) -> onnx.NodeProto:  # noqa: ANN401  # onnx's own
    return helper.make_node(operator, sources, [output], **attributes)


def _row_minimum(source: str, output: str) -> onnx.NodeProto:
    """Return the minimum of each row, [n,1], by TopK: ReduceMin takes its axes differently from opset 18 on."""
    return helper.make_node("TopK", [source, "n_one"], [output, f"{output}_at"], axis=1, largest=0)


def _flatten_to_novelty(source: str) -> onnx.NodeProto:
    return _node("Reshape", source, "n_flat", output="novelty")


def _build_graph(nodes: Sequence[onnx.NodeProto], constants: dict[str, Any]) -> NoveltyGraph:
    constants = {**constants, "n_one": np.array([1], np.int64), "n_flat": np.array([-1], np.int64)}
    return NoveltyGraph(
        tuple(nodes), tuple(numpy_helper.from_array(np.asarray(one), at) for at, one in constants.items())
    )
