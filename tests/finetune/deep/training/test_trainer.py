"""The training loop on a tiny network: what it returns, when it stops, and that a resumed run is bit-exact."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
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
from tests.support.finetune.tiny_training_job import TinyBatchSource, tiny_job
from tests.support.full_disk import full_disk
from tests.support.listener import Listener


class Killed(BaseException):
    """Stops a run in these tests; benchmarks/resume.py sends a real SIGKILL."""


class KilledBatchSource(TinyBatchSource):
    """Kills the run when the batch of one epoch and step is requested."""

    def __init__(self, batch: int, epoch: int, step: int) -> None:
        super().__init__(batch)
        self._end = epoch, step

    def training_batch(self, epoch: int, step: int) -> Batch:
        if (epoch, step) == self._end:
            raise Killed
        return super().training_batch(epoch, step)


def weights(outcome: TrainingOutcome) -> list[np.ndarray]:
    return [variable.numpy() for variable in outcome[0].network.trainable_variables]


def same(first: TrainingOutcome, second: TrainingOutcome) -> bool:
    """Return whether two runs have the same weights, bit for bit, and the same history apart from its seconds."""
    histories = [[replace(epoch, seconds=0) for epoch in outcome[1]] for outcome in (first, second)]
    bits = [[array.tobytes() for array in weights(outcome)] for outcome in (first, second)]
    return histories[0] == histories[1] and bits[0] == bits[1]


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.TAG, Task.REGRESS])
def test_trainer_learns_every_task_and_returns_the_best_epoch(tmp_path: Path, task: Task) -> None:
    listener = Listener()
    batches, history, facts = train_network(
        lambda batch: TinyBatchSource(batch, task), tiny_job(tmp_path / "run", task), listener
    )
    assert [epoch.number for epoch in history] == [1, 2, 3, 4]
    assert history[-1].val_loss < facts["start_val_loss"]
    assert facts["best_epoch"] == min(history, key=lambda epoch: epoch.val_loss).number
    assert facts["stopped_by"] == "all epochs"
    validation = list(batches.validation_batches())
    logits = np.concatenate([batches.network(batch.x).numpy() for batch in validation])
    y = np.concatenate([batch.y for batch in validation])
    scores = {
        Task.CLASSIFY: (logits.argmax(1) == y.argmax(1)).mean(),
        Task.TAG: 2 * ((logits > 0) & (y > 0.5)).sum() / ((logits > 0).sum() + (y > 0.5).sum()),
        Task.REGRESS: 1 - ((logits - y) ** 2).mean() / y.var(),
    }
    assert scores[task] == pytest.approx(history[facts["best_epoch"] - 1].val_score, abs=1e-5)
    assert listener.bars == [(f"epoch {number} of 4", 4, 4) for number in range(1, 5)]
    assert [metrics["epoch"] for metrics in listener.epochs] == [1, 2, 3, 4]
    keys = {"epoch", "of", "loss", "val_loss", "val_score", "seconds", "rate", "seconds_left"}
    assert all(metrics.keys() == keys for metrics in listener.epochs)


class WrongLabels(TinyBatchSource):
    """Starts with good weights and trains on wrong labels."""

    def __init__(self, batch: int, weights: list[np.ndarray]) -> None:
        super().__init__(batch)
        self.network.set_weights(weights)

    def training_batch(self, epoch: int, step: int) -> Batch:
        batch = super().training_batch(epoch, step)
        return replace(batch, y=np.roll(batch.y, 1, axis=1))


def test_trainer_returns_the_start_if_no_epoch_is_better(tmp_path: Path) -> None:
    good = weights(
        train_network(TinyBatchSource, tiny_job(tmp_path / "good", training={"epochs": 20}), SilentProgress())
    )
    job = tiny_job(tmp_path / "run", training={"patience": 9, "rate": 0.1})
    outcome = train_network(lambda batch: WrongLabels(batch, good), job, SilentProgress())
    assert outcome[2]["best_epoch"] == 0
    assert min(epoch.val_loss for epoch in outcome[1]) > outcome[2]["start_val_loss"]
    for actual, expected in zip(weights(outcome), good, strict=True):
        np.testing.assert_array_equal(actual, expected)


# Epoch and step of the kill: inside an epoch, at its first and last batch, in the first and the last epoch.
@pytest.mark.parametrize("end", [(0, 3), (1, 0), (1, 2), (3, 3)])
def test_resume_after_a_kill_is_bit_exact(tmp_path: Path, end: tuple[int, int]) -> None:
    whole = train_network(TinyBatchSource, tiny_job(tmp_path / "whole"), SilentProgress(), checkpoint_interval=0)
    with pytest.raises(Killed):
        train_network(
            lambda batch: KilledBatchSource(batch, *end),
            tiny_job(tmp_path / "run"),
            SilentProgress(),
            checkpoint_interval=0,
        )
    listener = Listener()
    resumed = train_network(TinyBatchSource, tiny_job(tmp_path / "run", resume=True), listener, checkpoint_interval=0)
    assert any(line.startswith("resuming after batch") for line in listener.lines)
    assert same(whole, resumed)


def test_checkpoints_do_not_change_training(tmp_path: Path) -> None:
    rare, frequent = (
        train_network(TinyBatchSource, tiny_job(tmp_path / name), SilentProgress(), seconds)
        for name, seconds in (("a", 1e9), ("b", 0.0))
    )
    assert same(rare, frequent)
    other = train_network(TinyBatchSource, tiny_job(tmp_path / "c", seed=1), SilentProgress())
    assert not same(rare, other), "dropout has no seed"


def test_resume_of_a_finished_run_trains_no_more(tmp_path: Path) -> None:
    whole = train_network(TinyBatchSource, tiny_job(tmp_path / "run"), SilentProgress())
    again = train_network(
        lambda batch: KilledBatchSource(batch, 0, 0), tiny_job(tmp_path / "run", resume=True), SilentProgress()
    )
    assert same(whole, again)


def test_resume_ignores_a_checkpoint_of_another_recipe(tmp_path: Path) -> None:
    train_network(TinyBatchSource, tiny_job(tmp_path / "run"), SilentProgress())
    listener = Listener()
    job = tiny_job(tmp_path / "run", resume=True, training={"rate": 0.02})
    outcome = train_network(TinyBatchSource, job, listener)
    assert "another recipe" in listener.lines[0]
    assert same(
        outcome, train_network(TinyBatchSource, replace(job, folder=tmp_path / "new", resume=False), SilentProgress())
    )


class NanLabel(TinyBatchSource):
    """One label of the second batch of the second epoch is NaN."""

    def training_batch(self, epoch: int, step: int) -> Batch:
        batch = super().training_batch(epoch, step)
        if (epoch, step) == (1, 1):
            batch.y[3] = np.nan
        return batch


def test_non_finite_loss_stops_training_and_names_the_batch(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="loss of batch 2 in epoch 2 is nan"):
        train_network(NanLabel, tiny_job(tmp_path / "run"), SilentProgress(), checkpoint_interval=0)
    checkpoint = Checkpoint.read(tmp_path / "run")
    assert checkpoint is not None
    assert checkpoint.facts["standing"]["history"][0]["number"] == 1
    assert checkpoint.facts["standing"]["step"] == 1
    assert all(np.isfinite(array).all() for array in checkpoint.arrays.values())


class NanGradient(TinyBatchSource):
    """The loss is finite, but its gradient is not: the derivative of a square root at 0."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        inputs = keras.Input((6,), name="points")
        hidden = keras.ops.sqrt(keras.ops.relu(keras.layers.Dense(3, kernel_initializer="zeros")(inputs)))
        self.network = keras.Model({"points": inputs}, keras.layers.Dense(3)(hidden))


def test_non_finite_gradient_stops_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="gradient's norm of batch 1 in epoch 1 is nan"):
        train_network(NanGradient, tiny_job(tmp_path / "run"), SilentProgress(), checkpoint_interval=0)
    assert Checkpoint.read(tmp_path / "run") is None


def test_non_finite_validation_loss_stops_training(tmp_path: Path) -> None:
    class InfiniteInputs(TinyBatchSource):
        def validation_batches(self) -> Iterator[Batch]:
            for batch in super().validation_batches():
                batch.x["points"][0] = np.inf
                yield batch

    with pytest.raises(TrainingFailed, match="validation loss before the first step is nan"):
        train_network(InfiniteInputs, tiny_job(tmp_path / "run"), SilentProgress())


def test_full_disk_for_checkpoints_does_not_stop_training(tmp_path: Path) -> None:
    whole = train_network(TinyBatchSource, tiny_job(tmp_path / "whole"), SilentProgress())

    class FillsTheDisk(TinyBatchSource):
        def training_batch(self, epoch: int, step: int) -> Batch:
            if epoch == 2 and not step:
                limit.enter_context(full_disk(1000))
            return super().training_batch(epoch, step)

    listener = Listener()
    with ExitStack() as limit:
        outcome = train_network(FillsTheDisk, tiny_job(tmp_path / "run"), listener)
    assert same(whole, outcome)
    assert [line for line in listener.lines if "no checkpoint could be written" in line and "File too large" in line]
    checkpoint = Checkpoint.read(tmp_path / "run")
    assert checkpoint is not None
    assert len(checkpoint.facts["standing"]["history"]) in (1, 2), "the earlier checkpoint is lost"
    assert same(whole, train_network(TinyBatchSource, tiny_job(tmp_path / "run", resume=True), SilentProgress()))


class OutOfMemory(TinyBatchSource):
    """Fits into memory only if the batch size is at most `largest`."""

    def __init__(self, batch: int, largest: int) -> None:
        super().__init__(batch)
        self._largest = largest

    def training_batch(self, epoch: int, step: int) -> Batch:
        if epoch == 1 and self._batch > self._largest:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return super().training_batch(epoch, step)


def test_out_of_memory_halves_the_batch_size_until_it_fits(tmp_path: Path) -> None:
    listener = Listener()
    outcome = train_network(lambda batch: OutOfMemory(batch, 8), tiny_job(tmp_path / "run"), listener)
    assert (outcome[2]["batch"], outcome[2]["steps"]) == (8, 15)
    assert outcome[2]["rate"] == pytest.approx(0.01 * 8 / 32)
    assert [line for line in listener.lines if "out of memory" in line] == [
        f"out of memory: starting again with batch size {batch} and half the learning rate" for batch in (16, 8)
    ]
    # The checkpoint has the batch size that fits, and nothing of the failed attempts.
    assert same(outcome, train_network(TinyBatchSource, tiny_job(tmp_path / "run", resume=True), SilentProgress()))
    assert len(outcome[1]) == 4


def test_out_of_memory_with_one_sample_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="not even one sample"):
        train_network(
            lambda batch: OutOfMemory(batch, 0), tiny_job(tmp_path / "run", training={"batch": 2}), SilentProgress()
        )


class AllocatesTooMuch(keras.layers.Layer):
    """Allocates more memory than any machine has if the batch is larger than 8."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        none = tf.size(tf.where(x > 1e30), tf.int64)  # 0, but constant folding cannot know that
        huge = tf.constant(2**42, tf.int64)
        return x + tf.reduce_sum(tf.zeros(tf.where(tf.shape(x)[0] > 8, huge, 1)[None] + none))


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_real_out_of_memory_halves_the_batch_size(tmp_path: Path) -> None:
    class ReallyOutOfMemory(TinyBatchSource):
        def __init__(self, batch: int) -> None:
            super().__init__(batch)
            self.network = keras.Model(self.network.input, AllocatesTooMuch()(self.network.output))

        def validation_batches(self) -> Iterator[Batch]:
            for batch in super().validation_batches():
                yield Batch({"points": batch.x["points"][:8]}, batch.y[:8], batch.weight[:8])

    job = tiny_job(tmp_path / "run", training={"batch": 16, "epochs": 1})
    assert train_network(ReallyOutOfMemory, job, SilentProgress())[2]["batch"] == 8


def test_deadline_limits_the_planned_epochs(tmp_path: Path) -> None:
    job = tiny_job(tmp_path / "run", deadline=time.monotonic() + 3, training={"epochs": 10_000, "patience": 10_000})
    _, history, facts = train_network(TinyBatchSource, job, SilentProgress())
    assert 1 <= len(history) <= facts["epochs_planned"] < 10_000


def test_deadline_already_over_returns_the_start(tmp_path: Path) -> None:
    start = [variable.numpy() for variable in TinyBatchSource(32).network.trainable_variables]
    outcome = train_network(
        TinyBatchSource, tiny_job(tmp_path / "run", deadline=time.monotonic() - 1), SilentProgress()
    )
    assert (outcome[1], outcome[2]["stopped_by"]) == ((), "deadline")
    for actual, expected in zip(weights(outcome), start, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_timing_steps_does_not_change_training(tmp_path: Path) -> None:
    plain = train_network(TinyBatchSource, tiny_job(tmp_path / "plain"), SilentProgress())
    timed = train_network(
        TinyBatchSource, tiny_job(tmp_path / "timed", deadline=time.monotonic() + 1000), SilentProgress()
    )
    assert same(plain, timed)


def test_resume_keeps_the_planned_epochs(tmp_path: Path) -> None:
    many = {"epochs": 10_000, "patience": 10_000}
    with pytest.raises(Killed):
        job = tiny_job(tmp_path / "run", deadline=time.monotonic() + 3, training=many)
        train_network(lambda batch: KilledBatchSource(batch, 1, 0), job, SilentProgress())
    checkpoint = Checkpoint.read(tmp_path / "run")
    assert checkpoint is not None
    epochs = checkpoint.facts["standing"]["schedule"]["epochs"]
    assert epochs < 10_000
    job = tiny_job(tmp_path / "run", resume=True, deadline=time.monotonic() + 2, training=many)
    assert train_network(TinyBatchSource, job, SilentProgress())[2]["epochs_planned"] == epochs


def test_tensorboard_logs_are_written(tmp_path: Path) -> None:
    train_network(TinyBatchSource, tiny_job(tmp_path / "run", tensorboard=tmp_path / "logs"), SilentProgress())
    (file,) = (tmp_path / "logs").iterdir()
    events = [tf.compat.v1.Event.FromString(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    points = {(value.tag, event.step) for event in events for value in event.summary.value}
    assert points == {(tag, step) for tag in ("loss", "val_loss", "val_score", "rate") for step in range(1, 5)}


def test_label_smoothing_is_on_for_classes_and_off_for_tags(tmp_path: Path) -> None:
    smoothing = [
        train_network(
            lambda batch, task=task: TinyBatchSource(batch, task),
            tiny_job(tmp_path / task, task, training={"epochs": 1}),
            SilentProgress(),
        )[2]["smoothing"]
        for task in (Task.CLASSIFY, Task.TAG)
    ]
    assert smoothing == [0.1, 0.0]
