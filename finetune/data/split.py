"""Stratified, seeded train/validation/test split without duplicates across its parts.

Each stratum is split separately, by shares: a class, the samples with the same rarest tag, a fifth of a
number's range. The order inside a stratum comes from the seed and the content of each sample, not from
names: the same data are split the same way wherever they are stored, and an added file moves no other
one except at a border. Exact copies stay together in one part.

Data with a split of their own keep it. If it lacks a part, that part is cut from train, in proportion
to the shares: without `val/`, val/(1-test) of train; without `test/`, test/(1-val).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample, SplitPart
from graft.errors import DatasetError

# The part that keeps copies which are in several parts: the test part stays complete.
_PART_PRIORITY: Final = (SplitPart.TEST, SplitPart.VAL, SplitPart.TRAIN)
UNASSIGNED: Final = ""  # the part of a copy that is left out


@dataclass(frozen=True, slots=True)
class Split:
    """The part of each of n samples, how they were split, and notes for the log."""

    parts: NDArray[np.str_]  # [n]: "train", "val", "test" or UNASSIGNED
    method: str  # "stratified 60/20/20", "the data's own", …
    notes: tuple[str, ...] = ()

    def rows(self, part: SplitPart) -> NDArray[np.intp]:
        """Return the rows of the samples in `part`, int [m]."""
        return np.flatnonzero(self.parts == part.value)

    def counts(self) -> dict[str, int]:
        """Return the number of samples in each part."""
        return {part.value: int((self.parts == part.value).sum()) for part in SplitPart}


def split_samples(
    samples: Sequence[LabeledSample],
    sha256: Sequence[bytes],
    strata: Sequence[str],
    *,
    seed: int,
    val: float,
    test: float,
) -> Split:
    """Split n samples into train, validation and test part.

    Args:
        samples: n; those with a `part` keep it.
        sha256: n, of their contents; exact copies stay in one part.
        strata: n, the group of each sample.
        seed: decides the order inside each stratum.
        val: share of the samples in the validation part.
        test: share of the samples in the test part.

    Raises:
        DatasetError: a part would be empty.
    """
    result = assign_parts(samples, sha256, strata, seed=seed, val=val, test=test)
    _check_parts_filled(result)
    return result


def assign_parts(
    samples: Sequence[LabeledSample],
    sha256: Sequence[bytes],
    strata: Sequence[str],
    *,
    seed: int,
    val: float,
    test: float,
) -> Split:
    """Split as `split_samples` does, but allow empty parts, as few samples may leave them."""
    notes: list[str] = []
    if any(sample.part for sample in samples):
        parts, method = _follow_own_split(samples, sha256, strata, notes, seed=seed, val=val, test=test)
    else:
        everything = np.full(len(samples), SplitPart.TRAIN.value, dtype="U5")
        parts = _move_shares(everything, strata, sha256, seed, {SplitPart.TEST: test, SplitPart.VAL: val})
        method = f"stratified {1 - val - test:.0%} / {val:.0%} / {test:.0%}"
    return Split(parts, method, tuple(notes))


def _follow_own_split(
    samples: Sequence[LabeledSample],
    sha256: Sequence[bytes],
    strata: Sequence[str],
    notes: list[str],
    *,
    seed: int,
    val: float,
    test: float,
) -> tuple[NDArray[np.str_], str]:
    parts = np.array([(sample.part or SplitPart.TRAIN).value for sample in samples], dtype="U5")
    parts = _exclude_copies(parts, sha256, notes)
    method = "the data's own"
    missing = {SplitPart.VAL: val / (1 - test), SplitPart.TEST: test / (1 - val)}
    for part, share in missing.items():
        if part.value not in parts:
            parts = _move_shares(parts, strata, sha256, seed, {part: share})
            method += f", {part.value} cut from train ({share:.0%})"
            notes.append(f"the data have no {part.value} part of their own: {share:.0%} of train was moved to it.")
    return parts, method


def _exclude_copies(parts: NDArray[np.str_], sha256: Sequence[bytes], notes: list[str]) -> NDArray[np.str_]:
    """Keep exact copies of a sample in one part only: otherwise test samples would be trained on."""
    seen: defaultdict[bytes, set[str]] = defaultdict(set)
    for sha, part in zip(sha256, parts, strict=True):
        seen[sha].add(str(part))
    part_by_sha = {
        sha: next(part.value for part in _PART_PRIORITY if part.value in where) for sha, where in seen.items()
    }
    parts = np.array(
        [part if part_by_sha[sha] == part else UNASSIGNED for sha, part in zip(sha256, parts, strict=True)], dtype="U5"
    )
    if excluded := int((parts == UNASSIGNED).sum()):
        notes.append(
            f"{excluded} samples are exact copies of samples in another part of the data's own split: "
            "left out (test keeps its samples before val, val before train)."
        )
    return parts


def _move_shares(
    parts: NDArray[np.str_],
    strata: Sequence[str],
    sha256: Sequence[bytes],
    seed: int,
    shares: dict[SplitPart, float],
) -> NDArray[np.str_]:
    """Move a share of each stratum's train samples to other parts, at least one where there are enough."""
    parts = parts.copy()
    copies: defaultdict[bytes, list[int]] = defaultdict(list)
    for row in np.flatnonzero(parts == SplitPart.TRAIN.value).tolist():
        copies[sha256[row]].append(row)
    groups: defaultdict[str, list[bytes]] = defaultdict(list)
    for sha, rows in copies.items():
        groups[strata[rows[0]]].append(sha)
    for contents in groups.values():
        contents.sort(key=lambda sha: hashlib.blake2b(sha, salt=seed.to_bytes(8, "big")).digest())
        size = sum(len(copies[sha]) for sha in contents)
        candidates = iter(contents)
        movable = len(contents) - 1  # one content at least stays in train
        for part, share in shares.items():
            quota, moved = max(1, round(share * size)), 0
            while moved < quota and movable:
                rows = copies[next(candidates)]
                parts[rows] = part.value
                moved, movable = moved + len(rows), movable - 1
    return parts


def check_train_classes(strata: Sequence[str], split: Split) -> None:
    """Check that every class has samples in the train part.

    Raises:
        DatasetError: a class has none.
    """
    in_train = {strata[row] for row in split.rows(SplitPart.TRAIN)}
    if missing := sorted(set(strata) - in_train):
        raise DatasetError(
            f"class {', '.join(map(repr, missing))} has no sample in the train part, "
            "so it cannot be trained. Add some there, or remove the class."
        )


def _check_parts_filled(split: Split) -> None:
    for part in SplitPart:
        if part.value not in split.parts:
            raise DatasetError(
                f"the {part.value} part is empty. Add samples to it, or let Graft split the data: pass "
                "class folders without train/ and test/, or a table without a split column."
            )
