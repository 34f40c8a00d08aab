"""The likeliest label errors, by answers from heads that have not seen the sample.

Classes and tags: confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty
in dataset labels", JAIR 70). A sample is confidently of a class if its probability reaches the mean probability of
that class among the samples that bear its name. Counting labels against confident classes, as rates of the labels,
gives the confident joint; what lies off its diagonal estimates how many labels are wrong. Ranked by the normalised
margin: the probability of the label less that of the best other class. Compared by hand with cleanlab 2.9: the same
scores, suspects ("confident_learning") and estimates ("off_diagonal_calibrated"); it would bring pandas for this.

Numbers: the largest residuals, in units of a robust deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.doctor.findings import Suspect, Suspects
from finetune.heads.temperature import fit_temperature

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

CELLS: Final = 1_000_000  # samples times tags that a temperature is fitted to
FAR: Final = 5.0  # robust deviations from which on a number is suspect


def probabilities(answers: Floats, y: Labels) -> Floats:
    """Return answers [n,k] as probabilities, at the temperature that suits the labels `y` [n] best."""
    logits = answers.astype(np.float64)
    temperature, _ = fit_temperature(logits, y)
    logits -= logits.max(1, keepdims=True)
    odds = np.exp(logits / temperature)
    odds /= odds.sum(1, keepdims=True)
    return np.asarray(odds, np.float32)


def confident(p: Floats, y: Labels) -> Labels:
    """Return the class that each sample confidently is of, -1 where it is of none; `p` float32 [n,k], `y` [n]."""
    n, k = p.shape
    # A class that no label names is never confident.
    sums = np.bincount(y, p[np.arange(n), y], k)
    limits = np.divide(sums, np.bincount(y, minlength=k), out=np.full(k, np.inf), where=sums > 0)
    reached = np.where(p >= limits, p, -1)
    return np.where(reached.max(1) >= 0, reached.argmax(1), -1)


def estimated(sure: Labels, y: Labels, k: int) -> int:
    """Return how many of the labels `y` [n] are wrong, by the confident classes `sure` [n] of k."""
    joint = np.zeros((k, k))
    np.add.at(joint, (y[sure >= 0], sure[sure >= 0]), 1)
    named = np.bincount(y, minlength=k)
    seen = joint.sum(1)
    wrong = np.divide(seen - joint.diagonal(), seen, out=np.zeros(k), where=seen > 0)  # share of each label
    return round(float(wrong @ named))


def classes(p: Floats, y: Labels, labels: Sequence[str], rows: Labels) -> Suspects:
    """Return the suspects among samples with probabilities `p` [n,k] and labels `y` [n]; `rows` [n] names them."""
    n, k = p.shape
    given = p[np.arange(n), y]
    rest = p.copy()
    rest[np.arange(n), y] = -1
    best, other = rest.argmax(1), rest.max(1)
    margin = given - other
    sure = confident(p, y)
    wrong = (sure >= 0) & (sure != y) & (margin < 0)
    order = np.argsort(margin, kind="stable")
    found = tuple(
        Suspect(int(rows[at]), labels[y[at]], labels[best[at]], float(given[at]), float(other[at]), float(margin[at]))
        for at in order[wrong[order]].tolist()
    )
    return Suspects(found, tuple(rows[order].tolist()), estimated(sure, y, k))


def tags(answers: Floats, y: NDArray[np.bool_], labels: Sequence[str]) -> Suspects:
    """Return the suspects among samples with tags `y` bool [n,k] and answers [n,k]; each tag is looked at alone."""
    found: list[Suspect] = []
    total, rows = 0, np.arange(len(y))
    least = np.ones(len(y), np.float32)  # probability of the label that fits least
    some = slice(None, None, 1 + y.size // CELLS)
    given = answers[some].ravel().astype(np.float64)
    # One temperature for all tags: with one each, the ranking would be about how sure tags are.
    temperature, _ = fit_temperature(np.stack([1 - given, given], 1), y[some].ravel().astype(np.intp))
    for tag, name in enumerate(labels):
        has = y[:, tag].astype(np.intp)
        odd = np.exp(np.clip((1 - 2 * answers[:, tag]) / temperature, -80, 80))
        p = np.stack([odd / (1 + odd), 1 / (1 + odd)], 1)
        one = classes(p, has, (f"not {name}", name), rows)
        found += one.found
        total += one.estimated or 0
        least = np.minimum(least, p[rows, has])
    order = np.argsort(least, kind="stable")
    return Suspects(tuple(sorted(found, key=lambda one: one.score)), tuple(order.tolist()), total)


def numbers(answers: Floats, y: NDArray[np.float64]) -> Suspects:
    """Return the suspects among samples with numbers `y` [n] and answers [n,1]."""
    off = y - answers[:, 0]
    centre = np.median(off)
    unit = 1.4826 * float(np.median(np.abs(off - centre))) or float(np.std(off)) or 1.0
    far = np.abs(off - centre) / unit
    order = np.argsort(-far, kind="stable")
    found = tuple(
        Suspect(at, f"{y[at]:.4g}", f"{answers[at, 0]:.4g}", float(off[at]), 0.0, -float(far[at]))
        for at in order.tolist()
        if far[at] >= FAR
    )
    return Suspects(found, tuple(order.tolist()), None)
