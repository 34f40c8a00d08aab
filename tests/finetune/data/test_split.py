"""Train/validation/test split: stratified, seeded, without duplicates across parts."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from finetune.data.dataset import LabeledSample, SplitPart
from finetune.data.split import UNASSIGNED, Split, check_train_classes, split_samples
from graft.errors import DatasetError


def samples(spec: str, part: SplitPart | None = None) -> list[LabeledSample]:
    """`a1 a2 b1`: class a with two contents, class b with one; a repeated word is a copy."""
    return [LabeledSample(f"{n}", word[0], part, word.encode()) for n, word in enumerate(spec.split())]


def divide(given: list[LabeledSample], seed: int = 0, val: float = 0.2, test: float = 0.2) -> Split:
    shas = [hashlib.sha256(sample.read()).digest() for sample in given]
    strata = [sample.label for sample in given]
    split = split_samples(given, shas, strata, seed=seed, val=val, test=test)
    check_train_classes(strata, split)
    return split


MANY = samples(" ".join([f"a{n}" for n in range(50)] + [f"b{n}" for n in range(10)]))


def test_stratified_split_has_the_same_shares_for_every_class() -> None:
    split = divide(MANY)
    by_class = Counter((sample.label, part) for sample, part in zip(MANY, split.parts.tolist(), strict=True))
    assert by_class == {
        ("a", "train"): 30, ("a", "val"): 10, ("a", "test"): 10,
        ("b", "train"): 6, ("b", "val"): 2, ("b", "test"): 2,
    }  # fmt: skip
    assert split.method == "stratified 60% / 20% / 20%"


def test_split_depends_on_the_seed_and_not_on_file_order() -> None:
    split = divide(MANY)
    assert np.array_equal(split.parts, divide(MANY).parts)
    assert not np.array_equal(split.parts, divide(MANY, seed=1).parts)
    assert np.array_equal(split.parts[::-1], divide(MANY[::-1]).parts)


def test_split_hardly_changes_when_a_sample_is_added() -> None:
    before, after = divide(MANY).parts, divide([*MANY, *samples("ax")]).parts[:-1]
    assert (before != after).sum() <= 2


def test_split_of_three_samples_fills_three_parts() -> None:
    assert divide(samples("a1 a2 a3 b1 b2 b3")).counts() == {"train": 2, "val": 2, "test": 2}


@pytest.mark.parametrize("seed", range(10))
def test_split_keeps_duplicates_together(seed: int) -> None:
    given = samples("a1 a1 a1 a2 a3 a4 a5 b1 b2 b2 b3 b4 b1")
    split = divide(given, seed=seed)
    where: dict[bytes, set[str]] = {}
    for sample, part in zip(given, split.parts.tolist(), strict=True):
        where.setdefault(sample.read(), set()).add(part)
    assert all(len(parts) == 1 for parts in where.values())
    assert UNASSIGNED not in split.parts


def test_split_of_the_data_is_kept_but_duplicates_leave_train() -> None:
    given = (
        samples("a1 a2 b1 b2", SplitPart.TRAIN)
        + samples("a3 b3 a2", SplitPart.VAL)
        + samples("a4 b4 b3", SplitPart.TEST)
    )
    split = divide(given)
    assert split.parts.tolist() == ["train", "", "train", "train", "val", "", "val", "test", "test", "test"]
    assert "2 samples are exact copies" in split.notes[0]
    assert split.method == "the data's own"


@pytest.mark.parametrize(("given", "cut"), [(SplitPart.TEST, SplitPart.VAL), (SplitPart.VAL, SplitPart.TEST)])
def test_split_part_that_is_missing_is_cut_from_train(given: SplitPart, cut: SplitPart) -> None:
    own = [LabeledSample(sample.ref, sample.label, SplitPart.TRAIN, sample.source) for sample in MANY]
    split = divide(own + samples("ax ay bx", given))
    assert split.counts() == {"train": 46, cut.value: 14, given.value: 3}
    assert split.parts[-3:].tolist() == [given.value] * 3
    assert f"no {cut.value} part" in split.notes[0]


def test_split_refuses_a_class_missing_from_train() -> None:
    with pytest.raises(DatasetError, match="'b' has no sample in the train part"):
        divide(samples("a1 a2", SplitPart.TRAIN) + samples("a3", SplitPart.VAL) + samples("a4 b1", SplitPart.TEST))


def test_split_refuses_an_empty_part() -> None:
    with pytest.raises(DatasetError, match="val part is empty"):
        divide(samples("a1 b1", SplitPart.TRAIN) + samples("a3", SplitPart.TEST))
