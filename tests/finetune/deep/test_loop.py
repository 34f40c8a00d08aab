"""The training loop on a tiny course: what it returns, when it stops, and that a stopped run goes on exactly."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.deep.checkpoint import Checkpoint
from finetune.deep.course import Batch
from finetune.deep.loop import Studied, study
from finetune.tasks import Task
from tests.finetune.deep.test_checkpoint import full_disk
from tests.finetune.deep.tiny import Tiny, lesson
from zoo.errors import TrainingFailed
from zoo.progress import Silence


class Listener(Silence):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.epochs: list[Mapping[str, object]] = []
        self.bars: list[tuple[str, int | None, int]] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def numbers(self, what: str, facts: Mapping[str, object]) -> None:
        assert what == "epoch"
        self.epochs.append(facts)

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[Counted]:
        counted = Counted()
        yield counted
        self.bars.append((what, total, counted.done))


class Counted:
    """A bar that counts."""

    done = 0

    def advance(self, steps: int = 1) -> None:
        self.done += steps


class Killed(BaseException):
    """What stops a run in these tests; a real SIGKILL is in benchmarks/resume.py."""


class Mortal(Tiny):
    """Is killed when it makes the batch of one epoch and step."""

    def __init__(self, batch: int, epoch: int, step: int) -> None:
        super().__init__(batch)
        self._end = epoch, step

    def batch(self, epoch: int, step: int) -> Batch:
        if (epoch, step) == self._end:
            raise Killed
        return super().batch(epoch, step)


def weights(studied: Studied) -> list[np.ndarray]:
    return [variable.numpy() for variable in studied[0].network.trainable_variables]


def same(first: Studied, second: Studied) -> bool:
    """Whether two runs ended with the same bits and the same history, but for the seconds."""
    histories = [[replace(epoch, seconds=0) for epoch in studied[1]] for studied in (first, second)]
    bits = [[array.tobytes() for array in weights(studied)] for studied in (first, second)]
    return histories[0] == histories[1] and bits[0] == bits[1]


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.TAG, Task.REGRESS])
def test_every_task_learns_and_the_best_is_returned(tmp_path: Path, task: Task) -> None:
    heard = Listener()
    course, history, facts = study(lambda batch: Tiny(batch, task), lesson(tmp_path / "run", task), heard)
    assert [epoch.number for epoch in history] == [1, 2, 3, 4]
    assert history[-1].val_loss < facts["start_val_loss"]
    assert facts["best_epoch"] == min(history, key=lambda epoch: epoch.val_loss).number
    assert facts["stopped_by"] == "all epochs"
    batches = list(course.val())
    logits = np.concatenate([course.network(batch.x).numpy() for batch in batches])
    y = np.concatenate([batch.y for batch in batches])
    scores = {
        Task.CLASSIFY: (logits.argmax(1) == y.argmax(1)).mean(),
        Task.TAG: 2 * ((logits > 0) & (y > 0.5)).sum() / ((logits > 0).sum() + (y > 0.5).sum()),
        Task.REGRESS: 1 - ((logits - y) ** 2).mean() / y.var(),
    }
    assert scores[task] == pytest.approx(history[facts["best_epoch"] - 1].val_score, abs=1e-5)
    assert heard.bars == [(f"epoch {number} of 4", 4, 4) for number in range(1, 5)]
    assert [told["epoch"] for told in heard.epochs] == [1, 2, 3, 4]
    wanted = {"epoch", "of", "loss", "val_loss", "val_score", "seconds", "rate", "seconds_left"}
    assert all(told.keys() == wanted for told in heard.epochs)


class Spoilt(Tiny):
    """Begins with good weights and learns nonsense."""

    def __init__(self, batch: int, begin: list[np.ndarray]) -> None:
        super().__init__(batch)
        self.network.set_weights(begin)

    def batch(self, epoch: int, step: int) -> Batch:
        made = super().batch(epoch, step)
        return replace(made, y=np.roll(made.y, 1, axis=1))


def test_the_start_is_returned_where_nothing_is_better(tmp_path: Path) -> None:
    good = weights(study(Tiny, lesson(tmp_path / "good", training={"epochs": 20}), Silence()))
    asked = lesson(tmp_path / "run", training={"patience": 9, "rate": 0.1})
    studied = study(lambda batch: Spoilt(batch, good), asked, Silence())
    assert studied[2]["best_epoch"] == 0
    assert min(epoch.val_loss for epoch in studied[1]) > studied[2]["start_val_loss"]
    for got, was in zip(weights(studied), good, strict=True):
        np.testing.assert_array_equal(got, was)


def test_patience_ends_a_run(tmp_path: Path) -> None:
    asked = lesson(tmp_path / "run", training={"rate": 0.3, "epochs": 60, "patience": 2})
    _, history, facts = study(Tiny, asked, Silence())
    assert facts["stopped_by"] == "patience"
    losses = [epoch.val_loss for epoch in history]
    assert len(losses) == losses.index(min(losses)) + 3 < 60


# Epoch and step at which it is killed: inside an epoch, at its first and its last batch, in the first and the last.
@pytest.mark.parametrize("end", [(0, 3), (1, 0), (1, 2), (3, 3)])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, end: tuple[int, int]) -> None:
    whole = study(Tiny, lesson(tmp_path / "whole"), Silence(), every=0)
    with pytest.raises(Killed):
        study(lambda batch: Mortal(batch, *end), lesson(tmp_path / "run"), Silence(), every=0)
    heard = Listener()
    resumed = study(Tiny, lesson(tmp_path / "run", resume=True), heard, every=0)
    assert any(line.startswith("going on after batch") for line in heard.lines)
    assert same(whole, resumed)


def test_what_a_checkpoint_does_to_a_run_is_nothing(tmp_path: Path) -> None:
    rarely, always = (
        study(Tiny, lesson(tmp_path / name), Silence(), every) for name, every in (("a", 1e9), ("b", 0.0))
    )
    assert same(rarely, always)
    other = study(Tiny, lesson(tmp_path / "c", seed=1), Silence())
    assert not same(rarely, other), "dropout has no seed"


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    whole = study(Tiny, lesson(tmp_path / "run"), Silence())
    again = study(lambda batch: Mortal(batch, 0, 0), lesson(tmp_path / "run", resume=True), Silence())
    assert same(whole, again)


def test_a_checkpoint_of_another_recipe_is_left_alone(tmp_path: Path) -> None:
    study(Tiny, lesson(tmp_path / "run"), Silence())
    heard = Listener()
    asked = lesson(tmp_path / "run", resume=True, training={"rate": 0.02})
    studied = study(Tiny, asked, heard)
    assert "another recipe" in heard.lines[0]
    assert same(studied, study(Tiny, replace(asked, folder=tmp_path / "new", resume=False), Silence()))


class Broken(Tiny):
    """One label of the second batch of the second epoch is not a number."""

    def batch(self, epoch: int, step: int) -> Batch:
        made = super().batch(epoch, step)
        if (epoch, step) == (1, 1):
            made.y[3] = np.nan
        return made


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_batch(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="loss of batch 2 in epoch 2 is nan"):
        study(Broken, lesson(tmp_path / "run"), Silence(), every=0)
    found = Checkpoint.read(tmp_path / "run")
    assert found is not None
    assert found.facts["standing"]["history"][0]["number"] == 1
    assert found.facts["standing"]["step"] == 1
    assert all(np.isfinite(array).all() for array in found.arrays.values())


class Steep(Tiny):
    """Its loss is finite, but not its gradient: a root at 0."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        inputs = keras.Input((6,), name="points")
        hidden = keras.ops.sqrt(keras.ops.relu(keras.layers.Dense(3, kernel_initializer="zeros")(inputs)))
        self.network = keras.Model({"points": inputs}, keras.layers.Dense(3)(hidden))


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="gradient's norm of batch 1 in epoch 1 is nan"):
        study(Steep, lesson(tmp_path / "run"), Silence(), every=0)
    assert Checkpoint.read(tmp_path / "run") is None


def test_validation_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    class Blind(Tiny):
        def val(self) -> Iterator[Batch]:
            for batch in super().val():
                batch.x["points"][0] = np.inf
                yield batch

    with pytest.raises(TrainingFailed, match="validation loss before the first step is nan"):
        study(Blind, lesson(tmp_path / "run"), Silence())


def test_a_full_disk_does_not_stop_a_run(tmp_path: Path) -> None:
    whole = study(Tiny, lesson(tmp_path / "whole"), Silence())

    class Filling(Tiny):
        def batch(self, epoch: int, step: int) -> Batch:
            if epoch == 2 and not step:
                limit.enter_context(full_disk(1000))
            return super().batch(epoch, step)

    heard = Listener()
    with ExitStack() as limit:
        studied = study(Filling, lesson(tmp_path / "run"), heard)
    assert same(whole, studied)
    assert [line for line in heard.lines if "no checkpoint could be written" in line and "File too large" in line]
    found = Checkpoint.read(tmp_path / "run")
    assert found is not None
    assert len(found.facts["standing"]["history"]) in (1, 2), "the earlier checkpoint is lost"
    assert same(whole, study(Tiny, lesson(tmp_path / "run", resume=True), Silence()))


class Hungry(Tiny):
    """Fits into the memory only in batches that are small enough."""

    def __init__(self, batch: int, most: int) -> None:
        super().__init__(batch)
        self._most = most

    def batch(self, epoch: int, step: int) -> Batch:
        if epoch == 1 and self._batch > self._most:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return super().batch(epoch, step)


def test_batches_are_halved_until_they_fit(tmp_path: Path) -> None:
    heard = Listener()
    studied = study(lambda batch: Hungry(batch, 8), lesson(tmp_path / "run"), heard)
    assert (studied[2]["batch"], studied[2]["steps"]) == (8, 15)
    assert studied[2]["rate"] == pytest.approx(0.01 * 8 / 32)
    assert [line for line in heard.lines if "out of memory" in line] == [
        f"out of memory: starting anew with batches of {batch}, and the learning rate halved" for batch in (16, 8)
    ]
    # Its checkpoint knows the batch, and nothing of the runs that failed is left in it.
    assert same(studied, study(Tiny, lesson(tmp_path / "run", resume=True), Silence()))
    assert len(studied[1]) == 4


def test_memory_for_not_even_one_sample_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="not even one sample"):
        study(lambda batch: Hungry(batch, 0), lesson(tmp_path / "run", training={"batch": 2}), Silence())


class Greedy(keras.layers.Layer):
    """Wants more memory than any machine has, where a batch is larger than 8."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        none = tf.size(tf.where(x > 1e30), tf.int64)  # 0, but not for who folds constants
        most = tf.constant(2**42, tf.int64)
        return x + tf.reduce_sum(tf.zeros(tf.where(tf.shape(x)[0] > 8, most, 1)[None] + none))


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_real_lack_of_memory_halves_the_batch(tmp_path: Path) -> None:
    class Real(Tiny):
        def __init__(self, batch: int) -> None:
            super().__init__(batch)
            self.network = keras.Model(self.network.input, Greedy()(self.network.output))

        def val(self) -> Iterator[Batch]:
            for batch in super().val():
                yield Batch({"points": batch.x["points"][:8]}, batch.y[:8], batch.weight[:8])

    asked = lesson(tmp_path / "run", training={"batch": 16, "epochs": 1})
    assert study(Real, asked, Silence())[2]["batch"] == 8


def test_a_run_plans_with_the_time_it_has(tmp_path: Path) -> None:
    asked = lesson(tmp_path / "run", deadline=time.monotonic() + 3, training={"epochs": 10_000, "patience": 10_000})
    _, history, facts = study(Tiny, asked, Silence())
    assert 1 <= len(history) <= facts["epochs_planned"] < 10_000


def test_a_run_without_time_returns_its_start(tmp_path: Path) -> None:
    start = [variable.numpy() for variable in Tiny(32).network.trainable_variables]
    studied = study(Tiny, lesson(tmp_path / "run", deadline=time.monotonic() - 1), Silence())
    assert (studied[1], studied[2]["stopped_by"]) == ((), "deadline")
    for got, was in zip(weights(studied), start, strict=True):
        np.testing.assert_array_equal(got, was)


def test_timing_steps_leaves_no_trace(tmp_path: Path) -> None:
    plain = study(Tiny, lesson(tmp_path / "plain"), Silence())
    timed = study(Tiny, lesson(tmp_path / "timed", deadline=time.monotonic() + 1000), Silence())
    assert same(plain, timed)


def test_a_resumed_run_keeps_its_plan(tmp_path: Path) -> None:
    many = {"epochs": 10_000, "patience": 10_000}
    with pytest.raises(Killed):
        asked = lesson(tmp_path / "run", deadline=time.monotonic() + 3, training=many)
        study(lambda batch: Mortal(batch, 1, 0), asked, Silence())
    found = Checkpoint.read(tmp_path / "run")
    assert found is not None
    planned = found.facts["standing"]["schedule"]["epochs"]
    assert planned < 10_000
    asked = lesson(tmp_path / "run", resume=True, deadline=time.monotonic() + 2, training=many)
    assert study(Tiny, asked, Silence())[2]["epochs_planned"] == planned


def test_logs_for_tensorboard_are_written(tmp_path: Path) -> None:
    study(Tiny, lesson(tmp_path / "run", tensorboard=tmp_path / "logs"), Silence())
    (file,) = (tmp_path / "logs").iterdir()
    events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    points = {(value.tag, event.step) for event in events for value in event.summary.value}
    assert points == {(tag, step) for tag in ("loss", "val_loss", "val_score", "rate") for step in range(1, 5)}


def test_smoothing_is_chosen_by_the_task(tmp_path: Path) -> None:
    chosen = [
        study(
            lambda batch, task=task: Tiny(batch, task), lesson(tmp_path / task, task, training={"epochs": 1}), Silence()
        )[2]["smoothing"]
        for task in (Task.CLASSIFY, Task.TAG)
    ]
    assert chosen == [0.1, 0.0]
