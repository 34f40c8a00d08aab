"""From which novelty on a sample is no known class: the score and its threshold, chosen by what no fit has seen.

The score: up to HELD_OUT classes are left out of the train part, one after the other; a score fitted to the others
should tell the validation samples of those from the samples of the class that it never saw. The mean area under the
ROC curve decides. Energy must win by WORTH: samples unlike every class, such as photographs shown to a model of
handwritten digits, may well have less energy than any digit, and no held-out class would show it.

The threshold: the quantile of the novelty of the validation part. The score is fitted to the train part only and
stays so while the head is fitted once more on both, so for the score these samples are as new as any that come later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from finetune.heads.chunks import standardised
from finetune.heads.classify import LOGISTIC, Choice
from finetune.heads.novelty import Distance, Doubles, Energy, Floats, Novelty, Score
from finetune.heads.scaler import Scaler
from finetune.rows import slices

Labels = NDArray[np.intp]

MOST: Final = 8192  # train samples that a score should be fitted to: more cost much and bring little
TRIED: Final = 1024  # train samples, validation samples and samples of the held-out class in one trial
AMONG: Final = 16  # classes that the trials are about
HELD_OUT: Final = 8  # of these, classes that are held out
WORTH: Final = 0.02  # of AUROC, by which energy must beat the distance
SHRUNK: Final = 0.1  # share of a plain sphere in the covariance
REST: Final = 0.1  # weight of what lies off the discriminants, in sum
POWER: Final = 0.5  # of the deviation that features are divided by
ROUGH, FINE = 1e-3, 1e-4  # gradients at which it stops: in a trial, and of the score itself


@dataclass(frozen=True, slots=True)
class Seen:
    """Samples to fit to, or to try a score on: features float32 [n,d], and labels int [n] of k classes."""

    x: Floats
    y: Labels
    of: int  # how many samples they stand for


def fit_novelty(seen: Seen, fresh: Seen, choice: Choice, labels: tuple[str, ...], share: float) -> Novelty:
    """Return the novelty that separates best, fitted to `seen`, which lets the `share` of `fresh` be known.

    `seen` is of the train part, every class in it, and `fresh` the validation part; `choice` is the head's. The same
    arguments give the same novelty.

    Raises:
        DatasetError: every feature is constant.
    """
    with threadpool_limits(1, "blas"):
        auroc, held_out = _trials(seen, fresh, choice)
        distance, energy = auroc["distance"], auroc["energy"]
        score: Score
        if distance is not None and energy is not None and energy > distance + WORTH:
            score = fit_energy(seen, choice, FINE)
        else:
            score = fit_distance(seen)
        said = np.sort(np.concatenate([score(fresh.x[rows]) for rows in slices(*fresh.x.shape)]))
    at = threshold(said, share)
    known = float((said <= at).mean())
    return Novelty(score, at, known, float(said.std()) or 1.0, auroc, tuple(labels[one] for one in held_out))


def threshold(said: Doubles, share: float) -> float:
    """Return what the `share` of sorted numbers, float64 [n], does not exceed: halfway to the next of them."""
    kept = max(1, math.ceil(share * len(said) - 1e-9))
    last = float(said[kept - 1])
    # Halfway, for head.onnx says the same in float32: a little less or more must not change who is known.
    return (last + float(said[kept])) / 2 if kept < len(said) else last + 1e-3 * (float(said.std()) or 1.0)


def _trials(seen: Seen, fresh: Seen, choice: Choice) -> tuple[dict[str, float | None], tuple[int, ...]]:
    """Return the mean AUROC of either score, and the classes that were held out one by one."""
    classes = int(seen.y.max()) + 1
    among = _evenly(classes, AMONG)
    areas: dict[str, list[float]] = {"distance": [], "energy": []}
    held_out = []
    for one in _evenly(len(among), HELD_OUT) if classes > 2 else ():
        others = np.delete(among, one)
        known, new = _among(fresh, others), np.flatnonzero(seen.y == among[one])
        if not len(known.y):
            continue
        held_out.append(int(among[one]))
        strange = seen.x[new[_evenly(len(new), TRIED)]]
        fitted = _among(seen, others)
        scores = fit_distance(fitted), fit_energy(fitted, choice, ROUGH)
        for score in scores:
            areas[score.kind].append(auroc(score(known.x), score(strange)))
    return {kind: float(np.mean(each)) if each else None for kind, each in areas.items()}, tuple(held_out)


def _among(samples: Seen, classes: Labels) -> Seen:
    """Return some of the samples of these classes, numbered anew."""
    rows = np.flatnonzero(np.isin(samples.y, classes))
    rows = rows[spread(samples.y[rows], TRIED)]
    return Seen(samples.x[rows], np.searchsorted(classes, samples.y[rows]).astype(np.intp), samples.of)


def auroc(known: Doubles, new: Doubles) -> float:
    """Return how likely one of `new` [m] has more novelty than one of `known` [n]; equal ones count half."""
    n, m = len(known), len(new)
    ranks = rankdata(np.concatenate([known, new]))[n:].sum()
    return float((ranks - m * (m + 1) / 2) / (n * m))


def spread(y: Labels, most: int) -> NDArray[np.intp]:
    """Return up to about `most` rows of the labels `y` [n], evenly chosen from each class; one of each at least."""
    if len(y) <= most:
        return np.arange(len(y))
    order = np.argsort(y, kind="stable")
    present, starts, counts = np.unique(y[order], return_index=True, return_counts=True)
    each = max(1, most // len(present))
    parts = [order[at + _evenly(count, each)] for at, count in zip(starts.tolist(), counts.tolist(), strict=True)]
    return np.sort(np.concatenate(parts))


def _evenly(count: int, most: int) -> NDArray[np.intp]:
    """Return up to `most` of the numbers 0..count-1, as far apart as they can be."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.intp)


def fit_distance(seen: Seen) -> Distance:
    """Return the distance from the classes of `seen`, all of 0..k-1 in it.

    Raises:
        DatasetError: every feature is constant.
    """
    scaler = Scaler.of(seen.x, POWER)
    z = scaler(seen.x)
    counts = np.bincount(seen.y)
    by_class = np.argsort(seen.y, kind="stable")
    means = np.add.reduceat(z[by_class], np.cumsum(counts) - counts) / counts[:, None]
    within = (z - means[seen.y]).astype(np.float32)
    if not within.any():  # one sample of each class, or copies of one
        within = (z - z.mean(0)).astype(np.float32)
    covariance = (within.T @ within).astype(np.float64) / max(1, len(z) - len(counts))
    size = float(np.trace(covariance)) / len(covariance)
    covariance *= 1 - SHRUNK
    covariance.flat[:: len(covariance) + 1] += SHRUNK * size
    lower = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    centre = means.mean(0)
    apart = solve_triangular(lower, (means - centre).T, lower=True).T  # [k,e], whitened
    r = max(1, min(len(means) - 1, z.shape[1]))
    on = np.linalg.svd(apart, full_matrices=False)[2][:r] / math.sqrt(r)  # [r,e]
    axes = solve_triangular(lower, on.T, lower=True, trans="T")  # [e,r]
    kept = scaler.kept
    return Distance(
        centre=_widened(scaler.mean + centre * scaler.scale, kept),
        scale=_widened(1 / (scaler.scale * math.sqrt(size)), kept),
        axes=_widened(axes * math.sqrt(size), kept),
        places=(apart @ on.T).astype(np.float32),
        rest=REST / len(covariance),
    )


def fit_energy(seen: Seen, choice: Choice, tolerance: float) -> Energy:
    """Return the energy of the head that `choice` makes of `seen`."""
    scaler, z = standardised(choice.power, seen.x)
    # The same penalty for each sample as the head has.
    strength = choice.strength * seen.of / len(seen.x)
    _, weights, bias = next(LOGISTIC.path(z, seen.y, (strength,), tolerance))
    weights = weights / scaler.scale / choice.temperature
    return Energy(
        weights=_widened(weights.T, scaler.kept).T.copy(),
        bias=(bias / choice.temperature - weights @ scaler.mean).astype(np.float32),
    )


def _widened(of_kept: Doubles, kept: NDArray[np.bool_]) -> Floats:
    """Return what is said of the kept features, [e,…], of all features, float32 [d,…]: 0 of the others."""
    wide = np.zeros((len(kept), *of_kept.shape[1:]), np.float32)
    wide[kept] = of_kept
    return wide
