import hashlib
from collections import Counter

import numpy as np
import pytest

from finetune.dataset import Part, Sample
from finetune.split import NOBODY, Split, check_trained, split
from zoo.errors import DatasetError


def samples(spec: str, part: Part | None = None) -> list[Sample]:
    """`a1 a2 b1`: class a with two contents, class b with one; a repeated word is a copy."""
    return [Sample(f"{n}", word[0], part, word.encode()) for n, word in enumerate(spec.split())]


def divide(given: list[Sample], seed: int = 0, val: float = 0.2, test: float = 0.2) -> Split:
    shas = [hashlib.sha256(sample.read()).digest() for sample in given]
    strata = [sample.label for sample in given]
    made = split(given, shas, strata, seed=seed, val=val, test=test)
    check_trained(strata, made)
    return made


MANY = samples(" ".join([f"a{n}" for n in range(50)] + [f"b{n}" for n in range(10)]))


def test_every_class_is_split_by_the_same_shares() -> None:
    made = divide(MANY)
    by_class = Counter((sample.label, part) for sample, part in zip(MANY, made.parts.tolist(), strict=True))
    assert by_class == {
        ("a", "train"): 30, ("a", "val"): 10, ("a", "test"): 10,
        ("b", "train"): 6, ("b", "val"): 2, ("b", "test"): 2,
    }  # fmt: skip
    assert made.kind == "stratified 60% / 20% / 20%"


def test_the_seed_decides_and_the_order_of_files_does_not() -> None:
    made = divide(MANY)
    assert np.array_equal(made.parts, divide(MANY).parts)
    assert not np.array_equal(made.parts, divide(MANY, seed=1).parts)
    assert np.array_equal(made.parts[::-1], divide(MANY[::-1]).parts)


def test_an_added_sample_moves_hardly_any_other() -> None:
    before, after = divide(MANY).parts, divide([*MANY, *samples("ax")]).parts[:-1]
    assert (before != after).sum() <= 2


def test_three_samples_go_to_three_parts() -> None:
    assert divide(samples("a1 a2 a3 b1 b2 b3")).counts() == {"train": 2, "val": 2, "test": 2}


@pytest.mark.parametrize("seed", range(10))
def test_copies_stay_together(seed: int) -> None:
    given = samples("a1 a1 a1 a2 a3 a4 a5 b1 b2 b2 b3 b4 b1")
    made = divide(given, seed=seed)
    where: dict[bytes, set[str]] = {}
    for sample, part in zip(given, made.parts.tolist(), strict=True):
        where.setdefault(sample.read(), set()).add(part)
    assert all(len(parts) == 1 for parts in where.values())
    assert NOBODY not in made.parts


def test_the_datas_own_split_is_kept_but_copies_leave_train() -> None:
    given = samples("a1 a2 b1 b2", Part.TRAIN) + samples("a3 b3 a2", Part.VAL) + samples("a4 b4 b3", Part.TEST)
    made = divide(given)
    assert made.parts.tolist() == ["train", "", "train", "train", "val", "", "val", "test", "test", "test"]
    assert "2 samples are exact copies" in made.notes[0]
    assert made.kind == "the data's own"


@pytest.mark.parametrize(("given", "cut"), [(Part.TEST, Part.VAL), (Part.VAL, Part.TEST)])
def test_a_part_that_the_data_lack_is_cut_from_train(given: Part, cut: Part) -> None:
    own = [Sample(sample.ref, sample.label, Part.TRAIN, sample.source) for sample in MANY]
    made = divide(own + samples("ax ay bx", given))
    assert made.counts() == {"train": 46, cut.value: 14, given.value: 3}
    assert made.parts[-3:].tolist() == [given.value] * 3
    assert f"no {cut.value} part" in made.notes[0]


def test_a_class_that_is_not_in_train_is_refused() -> None:
    with pytest.raises(DatasetError, match="'b' has no sample in the train part"):
        divide(samples("a1 a2", Part.TRAIN) + samples("a3", Part.VAL) + samples("a4 b1", Part.TEST))


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(DatasetError, match="val part is empty"):
        divide(samples("a1 b1", Part.TRAIN) + samples("a3", Part.TEST))
