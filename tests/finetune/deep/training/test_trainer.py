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

from finetune.data.task import Task
from finetune.deep.training.batch_source import Batch
from finetune.deep.training.checkpoint import Checkpoint
from finetune.deep.training.trainer import TrainingOutcome, train_network
from graft.errors import TrainingFailed
from graft.progress import SilentProgress
from tests.support.finetune.tiny_training_job import Tiny, lesson
from tests.support.full_disk import full_disk


class Listener(SilentProgress):
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


def weights(studied: TrainingOutcome) -> list[np.ndarray]:
    return [variable.numpy() for variable in studied[0].network.trainable_variables]


def same(first: TrainingOutcome, second: TrainingOutcome) -> bool:
    """Whether two runs ended with the same bits and the same history, but for the seconds."""
    histories = [[replace(epoch, seconds=0) for epoch in studied[1]] for studied in (first, second)]
    bits = [[array.tobytes() for array in weights(studied)] for studied in (first, second)]
    return histories[0] == histories[1] and bits[0] == bits[1]


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.TAG, Task.REGRESS])
def test_trainer_learns_every_task_and_returns_the_best_epoch(tmp_path: Path, task: Task) -> None:
    heard = Listener()
    course, history, facts = train_network(lambda batch: Tiny(batch, task), lesson(tmp_path / "run", task), heard)
    assert [epoch.number for epoch in history] == [1, 2, 3, 4]
    assert history[-1].val_loss < facts["start_val_loss"]
    assert facts["best_epoch"] == min(history, key=lambda epoch: epoch.val_loss).number
    assert facts["stopped_by"] == "all epochs"
    batches = list(course.validation_batches())
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


def test_trainer_returns_the_start_if_no_epoch_is_better(tmp_path: Path) -> None:
    good = weights(train_network(Tiny, lesson(tmp_path / "good", training={"epochs": 20}), SilentProgress()))
    asked = lesson(tmp_path / "run", training={"patience": 9, "rate": 0.1})
    studied = train_network(lambda batch: Spoilt(batch, good), asked, SilentProgress())
    assert studied[2]["best_epoch"] == 0
    assert min(epoch.val_loss for epoch in studied[1]) > studied[2]["start_val_loss"]
    for got, was in zip(weights(studied), good, strict=True):
        np.testing.assert_array_equal(got, was)


def test_early_stopping_ends_after_patience_epochs(tmp_path: Path) -> None:
    asked = lesson(tmp_path / "run", training={"rate": 0.3, "epochs": 60, "patience": 2})
    _, history, facts = train_network(Tiny, asked, SilentProgress())
    assert facts["stopped_by"] == "patience"
    losses = [epoch.val_loss for epoch in history]
    assert len(losses) == losses.index(min(losses)) + 3 < 60


# Epoch and step at which it is killed: inside an epoch, at its first and its last batch, in the first and the last.
@pytest.mark.parametrize("end", [(0, 3), (1, 0), (1, 2), (3, 3)])
def test_resume_after_a_kill_is_bit_exact(tmp_path: Path, end: tuple[int, int]) -> None:
    whole = train_network(Tiny, lesson(tmp_path / "whole"), SilentProgress(), checkpoint_interval=0)
    with pytest.raises(Killed):
        train_network(
            lambda batch: Mortal(batch, *end), lesson(tmp_path / "run"), SilentProgress(), checkpoint_interval=0
        )
    heard = Listener()
    resumed = train_network(Tiny, lesson(tmp_path / "run", resume=True), heard, checkpoint_interval=0)
    assert any(line.startswith("going on after batch") for line in heard.lines)
    assert same(whole, resumed)


def test_checkpoints_do_not_change_training(tmp_path: Path) -> None:
    rarely, always = (
        train_network(Tiny, lesson(tmp_path / name), SilentProgress(), every)
        for name, every in (("a", 1e9), ("b", 0.0))
    )
    assert same(rarely, always)
    other = train_network(Tiny, lesson(tmp_path / "c", seed=1), SilentProgress())
    assert not same(rarely, other), "dropout has no seed"


def test_resume_of_a_finished_run_trains_no_more(tmp_path: Path) -> None:
    whole = train_network(Tiny, lesson(tmp_path / "run"), SilentProgress())
    again = train_network(lambda batch: Mortal(batch, 0, 0), lesson(tmp_path / "run", resume=True), SilentProgress())
    assert same(whole, again)


def test_resume_ignores_a_checkpoint_of_another_recipe(tmp_path: Path) -> None:
    train_network(Tiny, lesson(tmp_path / "run"), SilentProgress())
    heard = Listener()
    asked = lesson(tmp_path / "run", resume=True, training={"rate": 0.02})
    studied = train_network(Tiny, asked, heard)
    assert "another recipe" in heard.lines[0]
    assert same(studied, train_network(Tiny, replace(asked, folder=tmp_path / "new", resume=False), SilentProgress()))


class Broken(Tiny):
    """One label of the second batch of the second epoch is not a number."""

    def batch(self, epoch: int, step: int) -> Batch:
        made = super().batch(epoch, step)
        if (epoch, step) == (1, 1):
            made.y[3] = np.nan
        return made


def test_non_finite_loss_stops_training_and_names_the_batch(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="loss of batch 2 in epoch 2 is nan"):
        train_network(Broken, lesson(tmp_path / "run"), SilentProgress(), checkpoint_interval=0)
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


def test_non_finite_gradient_stops_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="gradient's norm of batch 1 in epoch 1 is nan"):
        train_network(Steep, lesson(tmp_path / "run"), SilentProgress(), checkpoint_interval=0)
    assert Checkpoint.read(tmp_path / "run") is None


def test_non_finite_validation_loss_stops_training(tmp_path: Path) -> None:
    class Blind(Tiny):
        def val(self) -> Iterator[Batch]:
            for batch in super().val():
                batch.x["points"][0] = np.inf
                yield batch

    with pytest.raises(TrainingFailed, match="validation loss before the first step is nan"):
        train_network(Blind, lesson(tmp_path / "run"), SilentProgress())


def test_full_disk_for_checkpoints_does_not_stop_training(tmp_path: Path) -> None:
    whole = train_network(Tiny, lesson(tmp_path / "whole"), SilentProgress())

    class Filling(Tiny):
        def batch(self, epoch: int, step: int) -> Batch:
            if epoch == 2 and not step:
                limit.enter_context(full_disk(1000))
            return super().batch(epoch, step)

    heard = Listener()
    with ExitStack() as limit:
        studied = train_network(Filling, lesson(tmp_path / "run"), heard)
    assert same(whole, studied)
    assert [line for line in heard.lines if "no checkpoint could be written" in line and "File too large" in line]
    found = Checkpoint.read(tmp_path / "run")
    assert found is not None
    assert len(found.facts["standing"]["history"]) in (1, 2), "the earlier checkpoint is lost"
    assert same(whole, train_network(Tiny, lesson(tmp_path / "run", resume=True), SilentProgress()))


class Hungry(Tiny):
    """Fits into the memory only in batches that are small enough."""

    def __init__(self, batch: int, most: int) -> None:
        super().__init__(batch)
        self._most = most

    def batch(self, epoch: int, step: int) -> Batch:
        if epoch == 1 and self._batch > self._most:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return super().batch(epoch, step)


def test_out_of_memory_halves_the_batch_size_until_it_fits(tmp_path: Path) -> None:
    heard = Listener()
    studied = train_network(lambda batch: Hungry(batch, 8), lesson(tmp_path / "run"), heard)
    assert (studied[2]["batch"], studied[2]["steps"]) == (8, 15)
    assert studied[2]["rate"] == pytest.approx(0.01 * 8 / 32)
    assert [line for line in heard.lines if "out of memory" in line] == [
        f"out of memory: starting anew with batches of {batch}, and the learning rate halved" for batch in (16, 8)
    ]
    # Its checkpoint knows the batch, and nothing of the runs that failed is left in it.
    assert same(studied, train_network(Tiny, lesson(tmp_path / "run", resume=True), SilentProgress()))
    assert len(studied[1]) == 4


def test_out_of_memory_with_one_sample_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="not even one sample"):
        train_network(lambda batch: Hungry(batch, 0), lesson(tmp_path / "run", training={"batch": 2}), SilentProgress())


class Greedy(keras.layers.Layer):
    """Wants more memory than any machine has, where a batch is larger than 8."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        none = tf.size(tf.where(x > 1e30), tf.int64)  # 0, but not for who folds constants
        most = tf.constant(2**42, tf.int64)
        return x + tf.reduce_sum(tf.zeros(tf.where(tf.shape(x)[0] > 8, most, 1)[None] + none))


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_real_out_of_memory_halves_the_batch_size(tmp_path: Path) -> None:
    class Real(Tiny):
        def __init__(self, batch: int) -> None:
            super().__init__(batch)
            self.network = keras.Model(self.network.input, Greedy()(self.network.output))

        def val(self) -> Iterator[Batch]:
            for batch in super().val():
                yield Batch({"points": batch.x["points"][:8]}, batch.y[:8], batch.weight[:8])

    asked = lesson(tmp_path / "run", training={"batch": 16, "epochs": 1})
    assert train_network(Real, asked, SilentProgress())[2]["batch"] == 8


def test_deadline_limits_the_planned_epochs(tmp_path: Path) -> None:
    asked = lesson(tmp_path / "run", deadline=time.monotonic() + 3, training={"epochs": 10_000, "patience": 10_000})
    _, history, facts = train_network(Tiny, asked, SilentProgress())
    assert 1 <= len(history) <= facts["epochs_planned"] < 10_000


def test_deadline_already_over_returns_the_start(tmp_path: Path) -> None:
    start = [variable.numpy() for variable in Tiny(32).network.trainable_variables]
    studied = train_network(Tiny, lesson(tmp_path / "run", deadline=time.monotonic() - 1), SilentProgress())
    assert (studied[1], studied[2]["stopped_by"]) == ((), "deadline")
    for got, was in zip(weights(studied), start, strict=True):
        np.testing.assert_array_equal(got, was)


def test_timing_steps_does_not_change_training(tmp_path: Path) -> None:
    plain = train_network(Tiny, lesson(tmp_path / "plain"), SilentProgress())
    timed = train_network(Tiny, lesson(tmp_path / "timed", deadline=time.monotonic() + 1000), SilentProgress())
    assert same(plain, timed)


def test_resume_keeps_the_planned_epochs(tmp_path: Path) -> None:
    many = {"epochs": 10_000, "patience": 10_000}
    with pytest.raises(Killed):
        asked = lesson(tmp_path / "run", deadline=time.monotonic() + 3, training=many)
        train_network(lambda batch: Mortal(batch, 1, 0), asked, SilentProgress())
    found = Checkpoint.read(tmp_path / "run")
    assert found is not None
    planned = found.facts["standing"]["schedule"]["epochs"]
    assert planned < 10_000
    asked = lesson(tmp_path / "run", resume=True, deadline=time.monotonic() + 2, training=many)
    assert train_network(Tiny, asked, SilentProgress())[2]["epochs_planned"] == planned


def test_tensorboard_logs_are_written(tmp_path: Path) -> None:
    train_network(Tiny, lesson(tmp_path / "run", tensorboard=tmp_path / "logs"), SilentProgress())
    (file,) = (tmp_path / "logs").iterdir()
    events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    points = {(value.tag, event.step) for event in events for value in event.summary.value}
    assert points == {(tag, step) for tag in ("loss", "val_loss", "val_score", "rate") for step in range(1, 5)}


def test_label_smoothing_is_on_for_classes_and_off_for_tags(tmp_path: Path) -> None:
    chosen = [
        train_network(
            lambda batch, task=task: Tiny(batch, task),
            lesson(tmp_path / task, task, training={"epochs": 1}),
            SilentProgress(),
        )[2]["smoothing"]
        for task in (Task.CLASSIFY, Task.TAG)
    ]
    assert chosen == [0.1, 0.0]
