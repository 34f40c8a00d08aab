"""The task guessed from labels, and the targets of each task."""

import numpy as np
import pytest

from finetune.data.dataset import LabeledSample, SplitPart
from finetune.data.targets import build_targets
from finetune.data.task import Task, guess_task, parse_tags
from graft.errors import DatasetError


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["spam", "ham"], Task.CLASSIFY),
        (["1", "2", "3", "4", "5"], Task.CLASSIFY),
        ([str(n) for n in range(21)], Task.REGRESS),
        (["0.5", "1.0", "1.5"], Task.REGRESS),
        (["1", "2", "x"], Task.CLASSIFY),
        (["1e3", "-2.5", "7"], Task.REGRESS),
        (["a;b", "a", "b"], Task.TAG),
        (["a|b", "b|c", "a|c", "c"], Task.TAG),
        (["a; b", "c"], Task.CLASSIFY),
        (['["a", "b"]', "[]"], Task.TAG),
        (["['a', 'b']"], Task.TAG),
        (["New York, NY", "Boston, MA"], Task.CLASSIFY),
        (["nan", "1.5"], Task.CLASSIFY),
    ],
)
def test_task_is_guessed_from_the_labels(labels: list[str], task: Task) -> None:
    guessed, said = guess_task('"stars"', labels * 3)
    assert guessed is task
    assert not said or ('"stars"' in said and "--task" in said)


def test_tag_cells_are_split_distinct_and_trimmed() -> None:
    assert parse_tags(" b ;a;; b", ";") == ("a", "b")
    assert parse_tags('["x", 3]', None) == ("3", "x")
    assert parse_tags("[not a list", None) == ("[not a list",)


def samples(labels: list[str], part: SplitPart | None = None) -> list[LabeledSample]:
    return [LabeledSample(str(n), label, part, str(n).encode()) for n, label in enumerate(labels)]


def test_rare_tags_are_left_out_with_a_note() -> None:
    targets = build_targets(Task.TAG, samples(["a;b", "a", "a;b", "b;rare", "", "a"]))
    assert targets.labels == ("a", "b")
    assert targets.y.tolist() == [[1, 1], [1, 0], [1, 1], [0, 1], [0, 0], [1, 0]]
    assert targets.strata == ("b", "a", "b", "b", "", "a")
    assert "'rare'" in targets.notes[0]


def test_tags_too_rare_to_learn_are_refused() -> None:
    with pytest.raises(DatasetError, match="no tag has 3"):
        build_targets(Task.TAG, samples(["a;b", "c"]))


@pytest.mark.parametrize("n", [3, 7, 15, 100])
def test_numbers_are_stratified_by_quantiles(n: int) -> None:
    targets = build_targets(Task.REGRESS, samples([str(number) for number in range(n)]), "stars")
    sizes = np.unique(targets.strata, return_counts=True)[1]
    assert targets.labels == ("stars",)
    assert sizes.min() >= 3
    assert len(sizes) <= 5


def test_tag_separator_that_splits_nothing_is_mentioned() -> None:
    task, said = guess_task("tags", ["red;warm", "blue", "red;warm"])
    assert task is Task.CLASSIFY
    assert "--task tag" in said
