"""Several devices, mixed precision, and one graph for inputs of any length."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.data.task import Task
from finetune.deep.training.batch_source import Batch
from finetune.deep.training.checkpoint import CheckpointWriter
from finetune.deep.training.devices import Devices, configure_devices
from finetune.deep.training.prefetch import prefetch
from finetune.deep.training.schedule import EpochSchedule, Hyperparameters, shorten_to_time
from finetune.deep.training.train_step import validation_metrics
from finetune.deep.training.trainer import Trainer, train_network
from graft.progress import SilentProgress
from tests.support.finetune.tiny_training_job import TinyBatchSource, tiny_job
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY


def test_two_devices_train_like_one(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "tests.support.finetune.train_on_two_devices", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert child.returncode == 0, child.stderr
    batches, history, _ = train_network(
        lambda batch: TinyBatchSource(batch, dropout=0.0), tiny_job(tmp_path / "one"), SilentProgress()
    )
    with np.load(tmp_path / "0.0.npz") as two:
        for number, variable in enumerate(batches.network.trainable_variables):
            np.testing.assert_allclose(two[f"arr_{number}"], variable.numpy(), atol=1e-5)
        np.testing.assert_allclose(two["losses"], [(epoch.loss, epoch.val_loss) for epoch in history], atol=1e-5)
    with np.load(tmp_path / "0.2.npz") as two:  # each device has its own dropout mask
        assert two["losses"][-1, 1] < two["losses"][0, 1]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains(tmp_path: Path, policy: str) -> None:
    job = tiny_job(tmp_path / "run", training={"epochs": 8})
    devices = Devices(tf.distribute.get_strategy(), 1, policy, jit_compile=False)
    before = keras.config.dtype_policy()
    with devices.scope():
        batches = TinyBatchSource(32)
        writer = CheckpointWriter(job, SilentProgress(), interval=0)
        trainer = Trainer(batches, Hyperparameters.from_job(job, 32), job, devices, writer, SilentProgress())
    assert keras.config.dtype_policy() == before
    assert batches.network.layers[1].compute_dtype == policy.removeprefix("mixed_")
    history, facts = trainer.train(None)
    assert facts["best_epoch"] > 0
    assert history[-1].val_loss < facts["start_val_loss"] - 0.05


def test_single_cpu_uses_float32_without_compiling() -> None:
    devices = configure_devices()
    assert (devices.replicas, devices.dtype_policy, devices.jit_compile) == (1, "float32", False)


def test_variable_length_texts_trace_one_graph(tmp_path: Path) -> None:
    traces = []

    class Count(keras.layers.Layer):
        def call(self, x: tf.Tensor) -> tf.Tensor:
            traces.append(x.shape)
            return x

    class Words(TinyBatchSource):
        def __init__(self, batch: int) -> None:
            super().__init__(batch)
            ids = keras.Input((None,), dtype="int32", name="points")
            vectors = Count()(keras.layers.Embedding(5, 4)(ids))
            self.network = keras.Model({"points": ids}, keras.layers.Dense(3)(keras.ops.mean(vectors, 1)))

        def _of(self, rows: np.ndarray, weight: np.ndarray) -> Batch:
            batch = super()._of(rows, weight)
            length = 2 + int(rows[0]) % 5
            return Batch({"points": np.ones((len(rows), length), np.int32)}, batch.y, batch.weight)

    train_network(Words, tiny_job(tmp_path / "run"), SilentProgress())
    trained = [shape for shape in traces if shape[0] == 32]
    assert trained == [(32, None, 4)]


def test_prefetch_keeps_order_and_its_limit_on_another_thread() -> None:
    prepared: list[int] = []

    def prepare(number: int) -> tuple[int, str]:
        prepared.append(number)
        return number, threading.current_thread().name

    indices = []
    for number, thread in prefetch(prepare, range(3, 12)):
        indices.append(number)
        assert thread != threading.current_thread().name
        assert max(prepared) <= number + 3
    assert indices == prepared == list(range(3, 12))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_prefetch_raises_worker_errors_in_order() -> None:
    numbers = prefetch(lambda number: 1 / (2 - number), range(5))
    assert [next(numbers), next(numbers)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(numbers)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_schedule_plans_as_many_epochs_as_the_deadline_allows() -> None:
    schedule = EpochSchedule(batch=32, epochs=20, steps=100)
    assert shorten_to_time(schedule, seconds_left=1e6, step_seconds=0.1, validation_seconds=1.0) == schedule
    assert (
        shorten_to_time(schedule, seconds_left=100, step_seconds=0.1, validation_seconds=1.0).epochs == 8
    )  # 90 s of it, 11 s each
    short = shorten_to_time(schedule, seconds_left=10, step_seconds=0.1, validation_seconds=1.0)
    assert (short.epochs, short.steps) == (1, 80)
    assert shorten_to_time(schedule, seconds_left=1, step_seconds=0.1, validation_seconds=1.0).epochs == 0
    assert shorten_to_time(schedule, seconds_left=-5, step_seconds=0.1, validation_seconds=1.0).total_steps == 0


def test_validation_loss_is_measured_after_temperature() -> None:
    random = np.random.default_rng(0)
    y = np.eye(3)[random.integers(0, 3, 200)]
    logits = 2 * y + random.normal(size=y.shape)
    loss, score = validation_metrics(Task.CLASSIFY, logits, y)
    assert (loss, score) == pytest.approx(validation_metrics(Task.CLASSIFY, 7 * logits, y), rel=1e-4)
    assert score == (logits.argmax(1) == y.argmax(1)).mean()
    tags = (y > 0.5).astype(float)
    loss, _ = validation_metrics(Task.TAG, logits - 1, tags)
    assert loss == pytest.approx(validation_metrics(Task.TAG, 7 * (logits - 1), tags)[0], rel=1e-4)
    assert validation_metrics(Task.REGRESS, y[:, :1], y[:, :1]) == (0, 1)
    assert np.isnan(validation_metrics(Task.REGRESS, np.full((4, 1), np.inf), np.ones((4, 1)))[0])
