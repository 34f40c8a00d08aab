"""Exact and near duplicates, contradictions, leaks, and class names that look alike."""

import numpy as np
import pytest

from finetune.data.dataset import LabeledSample, SplitPart
from finetune.data.task import Task
from finetune.doctor.class_checks import find_similar_names
from finetune.doctor.duplicates import (
    NEAR_DUPLICATE_COSINE,
    canonical_labels,
    find_exact_duplicates,
    find_near_duplicates,
    find_split_leaks,
    is_contradiction,
)
from finetune.doctor.findings import DuplicateGroup
from finetune.features import memmap_rows
from graft.progress import SilentProgress


def samples(*labels: str, parts: tuple[SplitPart | None, ...] = ()) -> list[LabeledSample]:
    sample_parts = parts or (None,) * len(labels)
    return [
        LabeledSample(str(n), label, part, b"")
        for n, (label, part) in enumerate(zip(labels, sample_parts, strict=True))
    ]


def test_exact_duplicates_are_grouped_by_content() -> None:
    assert find_exact_duplicates([b"a", b"b", b"a", b"c", b"b", b"a"]) == (
        DuplicateGroup((0, 2, 5)),
        DuplicateGroup((1, 4)),
    )


@pytest.mark.parametrize(
    ("task", "labels", "odd"),
    [
        (Task.CLASSIFY, ("a", "a"), False),
        (Task.CLASSIFY, ("a", "b"), True),
        (Task.CLASSIFY, ("1", "1.0"), True),
        (Task.REGRESS, ("1", "1.0"), False),
        (Task.REGRESS, ("1", "2"), True),
        (Task.TAG, ('["a", "b"]', '["b", "a"]'), False),
        (Task.TAG, ('["a", "b"]', '["a"]'), True),
        (Task.EMBED, ("", ""), False),
    ],
)
def test_contradicting_labels_of_duplicates_by_task(task: Task, labels: tuple[str, ...], odd: bool) -> None:
    assert is_contradiction(DuplicateGroup((0, 1)), canonical_labels(task, samples(*labels))) is odd


def test_split_leaks_are_duplicates_across_parts() -> None:
    leaking = samples("a", "a", "a", "a", parts=(SplitPart.TRAIN, SplitPart.TEST, SplitPart.VAL, SplitPart.VAL))
    groups = [DuplicateGroup((0, 1)), DuplicateGroup((2, 3))]
    assert find_split_leaks(groups, leaking) == (groups[0],)
    assert find_split_leaks(groups, samples("a", "a", "a", "a")) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [("T-shirt", "t_shirt"), ("café", "cafe"), ("sofas", "Sofa"), ("seperate", "separate"), ("colour", "color")],
)
def test_similar_class_names_are_found(one: str, other: str) -> None:
    assert find_similar_names([one, other, "zebra"]) == (tuple(sorted((one, other))),)


@pytest.mark.parametrize(
    "names", [("b1", "b2"), ("1.5", "15", "-15"), ("2024_1", "20241"), ("cat", "bat"), ("男", "女")]
)
def test_similar_class_names_leave_distinct_names_alone(names: tuple[str, ...]) -> None:
    assert find_similar_names(names) == ()


def unit(x: np.ndarray) -> np.ndarray:
    away = x - x.mean(0)
    return away / np.linalg.norm(away, axis=1, keepdims=True)


def brute_force_groups(x: np.ndarray) -> set[tuple[int, ...]]:
    """The groups, by a search through the whole matrix of cosines."""
    close = unit(x) @ unit(x).T >= NEAR_DUPLICATE_COSINE
    left, groups = set(range(len(x))), set()
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {int(b) for a in edge for b in np.flatnonzero(close[a])} - group
        left -= group
        groups |= {tuple(sorted(group))} if len(group) > 1 else set()
    return groups


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_near_duplicates_equal_a_brute_force_search(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memmap_rows, "CHUNK_BYTES", 4 * 5 * chunk)
    random = np.random.default_rng(0)
    middles = random.normal(size=(40, 5))
    x = (middles[random.integers(0, 40, 150)] + random.normal(0, 0.06, (150, 5))).astype(np.float32)
    near = find_near_duplicates(x, (), SilentProgress())
    assert 10 < len(near) < 60
    assert {group.rows for group in near} == brute_force_groups(x)
    assert all(NEAR_DUPLICATE_COSINE <= group.similarity <= 1.0001 for group in near)
    assert [group.similarity for group in near] == sorted((group.similarity for group in near), reverse=True)


def test_near_duplicates_of_identical_samples_are_one_group() -> None:
    x = np.ones((1003, 8), np.float32)
    x[1000:] = np.random.default_rng(0).normal(size=(3, 8))
    assert [group.rows for group in find_near_duplicates(x, (), SilentProgress())] == [tuple(range(1000))]


def test_near_duplicates_include_exact_copies() -> None:
    x = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    x[1] = x[0] + 0.01
    x[4] = x[5] = x[1]
    x[3] = x[2]
    near = find_near_duplicates(x, [DuplicateGroup((1, 4, 5)), DuplicateGroup((2, 3))], SilentProgress())
    assert [group.rows for group in near] == [(0, 1, 4, 5)]  # 2 = 3 is no near duplicate: it is an exact one


@pytest.mark.parametrize("n", [0, 1, 2])
def test_near_duplicates_of_few_samples_are_none(n: int) -> None:
    assert find_near_duplicates(np.ones((n, 3), np.float32), (), SilentProgress()) == ()
