"""Answer "unknown" (`--unknown-at`): fit a novelty score and its threshold, and attach them to a head.

The score is chosen by leaving classes out. Up to `MAX_HELD_OUT_CLASSES` classes are removed from the train part, one
after the other; a score fitted to the other classes should separate their validation samples from the samples of the
class that it has not seen. The mean area under the ROC curve (AUROC) decides. Energy must win by `MIN_AUROC_GAIN`:
samples unlike every class, such as photographs for a model of handwritten digits, may have a lower energy than any
digit, and no held-out class would show that.

The threshold is a quantile of the novelty of the validation part. The score is fitted to the train part only, even
though the head itself is fitted to both parts in the end, so that validation samples are as new to it as later ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from finetune.data.dataset import SplitPart
from finetune.data.split import Split
from finetune.features.memmap_rows import chunk_slices, take_rows
from finetune.head import Head
from finetune.head.classify_and_tag import ClassifyChoice, ClassifyFitter
from finetune.head.novelty_scores import DistanceScore, EnergyScore, Novelty, NoveltyScore
from finetune.head.standardize import Scaler, standardize
from graft.progress import Progress
from graft.types import Float32Array, Float64Array, IndexArray

MAX_FIT_SAMPLES: Final = 8192  # train samples that the score is fitted to: more cost much and gain little
MAX_TRIAL_SAMPLES: Final = 1024  # of the train part, of the validation part and of the held-out class in one trial
MAX_TRIAL_CLASSES: Final = 16  # classes that take part in the trials
MAX_HELD_OUT_CLASSES: Final = 8  # classes among them that are held out
MIN_AUROC_GAIN: Final = 0.02  # AUROC by which energy must beat the distance
COVARIANCE_SHRINKAGE: Final = 0.1  # share of the identity, scaled, in the covariance
RESIDUAL_WEIGHT: Final = 0.1  # of the directions off the discriminants, in sum
SCALING_POWER: Final = 0.5  # of the deviation that features are divided by
TRIAL_TOLERANCE, SCORE_TOLERANCE = 1e-3, 1e-4  # gradients at which L-BFGS stops: in a trial, for the score itself


@dataclass(frozen=True, slots=True)
class LabeledFeatures:
    """Samples that a score is fitted to or tried on: features [n,d] and classes int [n] of 0..k-1."""

    x: Float32Array
    y: IndexArray
    population_size: int  # how many samples they were drawn from


def fit_novelty(
    train: LabeledFeatures,
    validation: LabeledFeatures,
    choice: ClassifyChoice,
    labels: tuple[str, ...],
    coverage: float,
) -> Novelty:
    """Choose the better score, fit it to `train` and set its threshold on `validation`. The result is deterministic.

    Args:
        train: samples of the train part, every class among them.
        validation: the validation part.
        choice: the hyper-parameters of the head; energy uses the same.
        labels: the names of the k classes.
        coverage: share of the validation samples that shall stay known.

    Raises:
        DatasetError: every feature is constant.
    """
    with threadpool_limits(1, "blas"):
        auroc, held_out = _compare_scores(train, validation, choice)
        distance, energy = auroc["distance"], auroc["energy"]
        score: NoveltyScore
        if distance is not None and energy is not None and energy > distance + MIN_AUROC_GAIN:
            score = fit_energy(train, choice, SCORE_TOLERANCE)
        else:
            score = fit_distance(train)
        novelties = np.sort(np.concatenate([score(validation.x[rows]) for rows in chunk_slices(*validation.x.shape)]))
    at = novelty_threshold(novelties, coverage)
    known = float((novelties <= at).mean())
    return Novelty(score, at, known, float(novelties.std()) or 1.0, auroc, tuple(labels[one] for one in held_out))


def novelty_threshold(novelties: Float64Array, coverage: float) -> float:
    """Return the threshold that the `coverage` of the sorted `novelties` float64 [n] does not exceed.

    It lies halfway to the next novelty.

    >>> novelty_threshold(np.array([1.0, 2.0, 3.0, 4.0]), 0.5)
    2.5
    """
    known_count = max(1, math.ceil(coverage * len(novelties) - 1e-9))
    last = float(novelties[known_count - 1])
    # head.onnx computes in float32: a rounding error must not move a sample across the threshold.
    return (
        (last + float(novelties[known_count])) / 2
        if known_count < len(novelties)
        else last + 1e-3 * (float(novelties.std()) or 1.0)
    )


def _compare_scores(
    train: LabeledFeatures, validation: LabeledFeatures, choice: ClassifyChoice
) -> tuple[dict[str, float | None], tuple[int, ...]]:
    """Return the mean AUROC of each score, and the classes that were held out."""
    classes = int(train.y.max()) + 1
    trial_classes = _evenly_spaced(classes, MAX_TRIAL_CLASSES)
    areas: dict[str, list[float]] = {"distance": [], "energy": []}
    held_out = []
    for one in _evenly_spaced(len(trial_classes), MAX_HELD_OUT_CLASSES) if classes > 2 else ():
        others = np.delete(trial_classes, one)
        known, new = _sample_classes(validation, others), np.flatnonzero(train.y == trial_classes[one])
        if not len(known.y):
            continue
        held_out.append(int(trial_classes[one]))
        held_out_x = train.x[new[_evenly_spaced(len(new), MAX_TRIAL_SAMPLES)]]
        fit_samples = _sample_classes(train, others)
        scores = fit_distance(fit_samples), fit_energy(fit_samples, choice, TRIAL_TOLERANCE)
        for score in scores:
            areas[score.kind].append(auroc(score(known.x), score(held_out_x)))
    return {kind: float(np.mean(each)) if each else None for kind, each in areas.items()}, tuple(held_out)


def _sample_classes(samples: LabeledFeatures, classes: IndexArray) -> LabeledFeatures:
    """Return a subsample of these classes, which are renumbered from 0."""
    rows = np.flatnonzero(np.isin(samples.y, classes))
    rows = rows[stratified_subsample(samples.y[rows], MAX_TRIAL_SAMPLES)]
    return LabeledFeatures(
        samples.x[rows], np.searchsorted(classes, samples.y[rows]).astype(np.intp), samples.population_size
    )


def auroc(inliers: Float64Array, outliers: Float64Array) -> float:
    """Return the area under the ROC curve of novelties: those of `outliers` [m] against `inliers` [n].

    It is the probability that an outlier has the larger novelty; ties count half.

    >>> auroc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    n, m = len(inliers), len(outliers)
    ranks = rankdata(np.concatenate([inliers, outliers]))[n:].sum()
    return float((ranks - m * (m + 1) / 2) / (n * m))


def stratified_subsample(y: IndexArray, max_rows: int) -> NDArray[np.intp]:
    """Return about `max_rows` rows of the classes `y` int [n], the same count of each class; at least one of each."""
    if len(y) <= max_rows:
        return np.arange(len(y))
    order = np.argsort(y, kind="stable")
    present, starts, counts = np.unique(y[order], return_index=True, return_counts=True)
    each = max(1, max_rows // len(present))
    parts = [
        order[at + _evenly_spaced(count, each)] for at, count in zip(starts.tolist(), counts.tolist(), strict=True)
    ]
    return np.sort(np.concatenate(parts))


def _evenly_spaced(count: int, max_count: int) -> NDArray[np.intp]:
    """Return up to `max_count` of the numbers 0..count-1, evenly spaced."""
    return np.linspace(0, count - 1, min(count, max_count)).round().astype(np.intp)


def fit_distance(samples: LabeledFeatures) -> DistanceScore:
    """Return the distance score of `samples`, which hold every class 0..k-1.

    Raises:
        DatasetError: every feature is constant.
    """
    scaler = Scaler.from_features(samples.x, SCALING_POWER)
    z = scaler(samples.x)
    counts = np.bincount(samples.y)
    by_class = np.argsort(samples.y, kind="stable")
    means = np.add.reduceat(z[by_class], np.cumsum(counts) - counts) / counts[:, None]
    within = (z - means[samples.y]).astype(np.float32)
    if not within.any():  # a single sample of each class, or copies of one
        within = (z - z.mean(0)).astype(np.float32)
    covariance = (within.T @ within).astype(np.float64) / max(1, len(z) - len(counts))
    size = float(np.trace(covariance)) / len(covariance)
    covariance *= 1 - COVARIANCE_SHRINKAGE
    covariance.flat[:: len(covariance) + 1] += COVARIANCE_SHRINKAGE * size
    lower = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    centre = means.mean(0)
    whitened_means = solve_triangular(lower, (means - centre).T, lower=True).T  # [k,e], whitened
    r = max(1, min(len(means) - 1, z.shape[1]))
    axes_whitened = np.linalg.svd(whitened_means, full_matrices=False)[2][:r] / math.sqrt(r)  # [r,e]
    axes = solve_triangular(lower, axes_whitened.T, lower=True, trans="T")  # [e,r]
    feature_mask = scaler.feature_mask
    return DistanceScore(
        centre=_expand_features(scaler.mean + centre * scaler.scale, feature_mask),
        scale=_expand_features(1 / (scaler.scale * math.sqrt(size)), feature_mask),
        discriminants=_expand_features(axes * math.sqrt(size), feature_mask),
        class_means=(whitened_means @ axes_whitened.T).astype(np.float32),
        residual_weight=RESIDUAL_WEIGHT / len(covariance),
    )


def fit_energy(samples: LabeledFeatures, choice: ClassifyChoice, tolerance: float) -> EnergyScore:
    """Return the energy score of the head that `choice` gives on `samples`; `tolerance` is that of L-BFGS."""
    scaler, z = standardize(choice.power, samples.x)
    # The same penalty per sample as the head has.
    strength = choice.strength * samples.population_size / len(samples.x)
    _, weights, bias = next(ClassifyFitter().fit_path(z, samples.y, (strength,), tolerance))
    weights = weights / scaler.scale / choice.temperature
    return EnergyScore(
        weights=_expand_features(weights.T, scaler.feature_mask).T.copy(),
        bias=(bias / choice.temperature - weights @ scaler.mean).astype(np.float32),
    )


def _expand_features(kept_values: Float64Array, feature_mask: NDArray[np.bool_]) -> Float32Array:
    """Return values of the kept features [e,…] as values of all features, float32 [d,…], 0 for the others."""
    wide = np.zeros((len(feature_mask), *kept_values.shape[1:]), np.float32)
    wide[feature_mask] = kept_values
    return wide


def with_novelty(
    head: Head[Any],
    x: Float32Array,
    y: IndexArray,
    split: Split,
    labels: Sequence[str],
    coverage: float,
    progress: Progress,
) -> Head[Any]:
    """Return a head of classes with a novelty, so that it can answer "unknown"; log how it was chosen.

    Args:
        head: the fitted head.
        x: features of all samples, float32 [n,d].
        y: their classes, int [n].
        split: their parts.
        labels: the names of the classes.
        coverage: share of the validation samples that shall stay known.
        progress: gets the log line.

    Raises:
        DatasetError: every feature is constant.
    """
    train, val = split.rows(SplitPart.TRAIN), split.rows(SplitPart.VAL)
    rows = train[stratified_subsample(y[train], MAX_FIT_SAMPLES)]
    fit_samples, validation = (
        LabeledFeatures(x[rows], y[rows], len(train)),
        LabeledFeatures(take_rows(x, val), y[val], len(val)),
    )
    novelty = fit_novelty(fit_samples, validation, head.choice, tuple(labels), coverage)
    progress.log(
        f"novelty by {novelty.score.kind}{_describe_auroc(novelty.auroc, len(novelty.excluded_classes))}; "
        f"{novelty.coverage:.1%} of the {len(val):,} validation samples stay known"
    )
    return dataclasses.replace(head, novelty=novelty)


def _describe_auroc(auroc: dict[str, float | None], classes: int) -> str:
    """Return the AUROC of each score for the log line; with two classes none can be held out."""
    areas = ", ".join(f"{kind} {area:.3f}" for kind, area in auroc.items() if area is not None)
    if not areas:
        return " (untried: no class could be held out)"
    return f" (mean AUROC over {classes} held-out classes: {areas})"
