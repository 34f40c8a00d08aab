"""The head: multinomial logistic regression on standardised features, folded into one Gemm.

Everything is chosen on the validation part: the strength C of the L2 penalty and how far features are
standardised by the log loss that remains after temperature scaling, then the temperature itself (Guo et
al. 2017, "On calibration of modern neural networks"). Half standardisation divides by the root of the
deviation ("Pareto scaling", van den Berg et al. 2006): most pooled features are rarely on, and dividing
by their tiny deviation makes outliers of them.

At last the weights are fitted once more, on train and validation together, with the same penalty for
each sample. The temperature stays what it was: it was fitted to answers about samples that its head had
not seen, and the test part measures what the final head makes of it (`benchmarks/finetune.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from finetune.temperature import fit_temperature
from zoo.errors import DatasetError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Labels = NDArray[np.intp]

STRENGTHS: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 5))  # 1e-4 .. 100
POWERS: Final = (1.0, 0.5)
FLAT: Final = 1e-3  # features whose deviation is under this share of the median deviation are dropped
MAX_STEPS: Final = 1000  # of L-BFGS
ROUGH, FINE = 1e-4, 1e-5  # gradients at which L-BFGS stops: of a candidate, of the head itself


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float  # of the deviation that features were divided by: 1 standardised, 0.5 halfway
    strength: float  # C, the inverse of the L2 penalty
    temperature: float
    val_loss: float  # log loss on the validation part, after temperature


@dataclass(frozen=True, slots=True)
class Head:
    """Features [n,d] -> scores [n,k]: softmax(features @ weights.T + bias), everything folded in."""

    weights: Floats  # [k,d]
    bias: Floats  # [k]
    choice: Choice
    dropped: int  # how many nearly constant features have no weight

    @classmethod
    def folded(cls, scaler: Scaler, weights: Doubles, bias: Doubles, choice: Choice) -> Head:
        """Return a head that standardises by `scaler`, then applies `weights` [k,e], `bias` [k], temperature."""
        folded = np.zeros((len(weights), len(scaler.kept)))
        folded[:, scaler.kept] = weights / scaler.scale
        shift = bias - folded[:, scaler.kept] @ scaler.mean
        return cls(
            weights=(folded / choice.temperature).astype(np.float32),
            bias=(shift / choice.temperature).astype(np.float32),
            choice=choice,
            dropped=int((~scaler.kept).sum()),
        )

    def to_onnx(self, opset: int, ir_version: int) -> bytes:
        """Return the bytes of head.onnx: `features` float32 [n,d] -> `scores` float32 [n,k]."""
        k, d = self.weights.shape
        graph = helper.make_graph(
            [
                helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
                helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
            ],
            "head",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", d])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", k])],
            [numpy_helper.from_array(self.weights, "weights"), numpy_helper.from_array(self.bias, "bias")],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=ir_version,
            producer_name="graft",
        )
        onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def trunk_versions(trunk: Path) -> tuple[int, int]:
    """Return the opset and the IR version of a trunk; its head needs the same."""
    model = onnx.load(trunk, load_external_data=False)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return int(opset), int(model.ir_version)


def fit_head(x: Floats, y: Labels, x_val: Floats, y_val: Labels) -> Head:
    """Fit a head to `x` float32 [n,d], `y` [n], choosing on `x_val` [m,d], `y_val` [m].

    Every class 0..k-1 must be among `y`. The same arguments give the same head: sums run on one thread,
    so that they do not depend on the number of cores.

    Raises:
        DatasetError: every feature is constant.
    """
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        # An unfinished fit is a candidate like any other; validation judges it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        choice = min(_choices(x, y, x_val, y_val), key=lambda choice: choice.val_loss)
        scaler = Scaler.of(np.concatenate([x, x_val]), choice.power)
        share = len(x) / (len(x) + len(x_val))
        z, both = scaler(np.concatenate([x, x_val])), np.concatenate([y, y_val])
        _, weights, bias = next(_path(z, both, (choice.strength * share,), FINE))
    return Head.folded(scaler, weights, bias, choice)


@dataclass(frozen=True, slots=True)
class Scaler:
    """Features [n,d] -> standardised ones [n,e], without the nearly constant ones."""

    kept: NDArray[np.bool_]  # [d]
    mean: Doubles  # [e]
    scale: Doubles  # [e]

    @classmethod
    def of(cls, x: Floats, power: float) -> Scaler:
        """Return the scaler of `x`; `power` 1 divides by the deviation, 0.5 by its root.

        Raises:
            DatasetError: every feature is constant.
        """
        mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
        alive = deviation[deviation > 0]
        median = float(np.median(alive)) if len(alive) else 1.0
        kept = deviation > FLAT * median
        if not kept.any():
            raise DatasetError(
                "the backbone sees no difference between the pictures: all their features are the same. "
                "Check that they are what they should be, or take another --backbone."
            )
        return cls(kept, mean[kept], deviation[kept] ** power * median ** (1 - power))

    def __call__(self, x: Floats) -> Doubles:
        """Return `x` [n,d] standardised, float64 [n,e]."""
        return (x[:, self.kept] - self.mean) / self.scale


def _choices(x: Floats, y: Labels, x_val: Floats, y_val: Labels) -> Iterator[Choice]:
    for power in POWERS:
        scaler = Scaler.of(x, power)
        z_val = scaler(x_val)
        for strength, weights, bias in _path(scaler(x), y, STRENGTHS, ROUGH):
            temperature, loss = fit_temperature(z_val @ weights.T + bias, y_val)
            yield Choice(power, strength, temperature, loss)


def _path(
    z: Doubles, y: Labels, strengths: Sequence[float], tolerance: float
) -> Iterator[tuple[float, Doubles, Doubles]]:
    """Yield strength, weights [k,d] and bias [k] of a head for each strength, each started from the last.

    With fewer samples than features the penalised optimum lies in the span of the samples. So the fit
    runs in coordinates of that span: the same answer, many times faster.
    """
    n, d = z.shape
    basis = np.linalg.qr(z.T)[0] if 2 * n < d else None  # [d,n], orthonormal
    inner = z if basis is None else z @ basis
    model = LogisticRegression(warm_start=True, max_iter=MAX_STEPS, tol=tolerance)
    for strength in strengths:
        model.C = strength
        model.fit(inner, y)
        weights = model.coef_ if basis is None else model.coef_ @ basis.T
        bias = model.intercept_
        if len(weights) == 1:  # two classes: sklearn keeps one row, the logit of the second
            weights, bias = np.vstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
        yield strength, weights.copy(), bias.copy()
