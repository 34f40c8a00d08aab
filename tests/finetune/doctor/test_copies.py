import numpy as np
import pytest

from finetune.dataset import Part, Sample
from finetune.doctor.copies import contradict, copies, meanings
from finetune.doctor.findings import Group
from finetune.doctor.leaks import leaks
from finetune.doctor.names import alike
from finetune.doctor.near import NEAR, near
from finetune.tasks import Task
from zoo.progress import Silence


def samples(*labels: str, parts: tuple[Part | None, ...] = ()) -> list[Sample]:
    given = parts or (None,) * len(labels)
    return [Sample(str(n), label, part, b"") for n, (label, part) in enumerate(zip(labels, given, strict=True))]


def test_copies_are_grouped_by_content() -> None:
    assert copies([b"a", b"b", b"a", b"c", b"b", b"a"]) == (Group((0, 2, 5)), Group((1, 4)))


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
def test_labels_contradict_by_what_they_mean(task: Task, labels: tuple[str, ...], odd: bool) -> None:
    assert contradict(Group((0, 1)), meanings(task, samples(*labels))) is odd


def test_a_leak_is_a_group_in_two_parts() -> None:
    given = samples("a", "a", "a", "a", parts=(Part.TRAIN, Part.TEST, Part.VAL, Part.VAL))
    groups = [Group((0, 1)), Group((2, 3))]
    assert leaks(groups, given) == (groups[0],)
    assert leaks(groups, samples("a", "a", "a", "a")) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [("T-shirt", "t_shirt"), ("café", "cafe"), ("sofas", "Sofa"), ("seperate", "separate"), ("colour", "color")],
)
def test_names_that_look_alike(one: str, other: str) -> None:
    assert alike([one, other, "zebra"]) == (tuple(sorted((one, other))),)


@pytest.mark.parametrize(
    "names", [("b1", "b2"), ("1.5", "15", "-15"), ("2024_1", "20241"), ("cat", "bat"), ("男", "女")]
)
def test_names_that_do_not(names: tuple[str, ...]) -> None:
    assert alike(names) == ()


def unit(x: np.ndarray) -> np.ndarray:
    away = x - x.mean(0)
    return away / np.linalg.norm(away, axis=1, keepdims=True)


def brute(x: np.ndarray) -> set[tuple[int, ...]]:
    """The groups, by plain search through the whole matrix."""
    close = unit(x) @ unit(x).T >= NEAR
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
def test_near_groups_are_those_of_a_plain_search(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.rows.CHUNK", 4 * 5 * chunk)
    random = np.random.default_rng(0)
    middles = random.normal(size=(40, 5))
    x = (middles[random.integers(0, 40, 150)] + random.normal(0, 0.06, (150, 5))).astype(np.float32)
    found = near(x, (), Silence())
    assert 10 < len(found) < 60
    assert {group.rows for group in found} == brute(x)
    assert all(NEAR <= group.similarity <= 1.0001 for group in found)
    assert [group.similarity for group in found] == sorted((group.similarity for group in found), reverse=True)


def test_a_thousand_times_the_same_is_one_group() -> None:
    x = np.ones((1003, 8), np.float32)
    x[1000:] = np.random.default_rng(0).normal(size=(3, 8))
    assert [group.rows for group in near(x, (), Silence())] == [tuple(range(1000))]


def test_exact_copies_follow_the_one_that_is_compared() -> None:
    x = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    x[1] = x[0] + 0.01
    x[4] = x[5] = x[1]
    x[3] = x[2]
    found = near(x, [Group((1, 4, 5)), Group((2, 3))], Silence())
    assert [group.rows for group in found] == [(0, 1, 4, 5)]  # 2 = 3 is no near duplicate: it is an exact one


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_samples_have_no_near_duplicates(n: int) -> None:
    assert near(np.ones((n, 3), np.float32), (), Silence()) == ()
