"""Several devices, other dtypes, and batches made ahead."""

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

from finetune.deep.ahead import ahead
from finetune.deep.course import Batch
from finetune.deep.devices import Devices, settle
from finetune.deep.judge import judge
from finetune.deep.keeper import Keeper
from finetune.deep.loop import study
from finetune.deep.schedule import Schedule, Settings, fitted
from finetune.deep.study import Study
from finetune.tasks import Task
from tests.finetune.deep.tiny import Tiny, lesson
from zoo.progress import Silence

ROOT = Path(__file__).parents[3]


def test_two_devices_learn_what_one_does(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.finetune.deep.two_devices", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    course, history, _ = study(lambda batch: Tiny(batch, dropout=0.0), lesson(tmp_path / "one"), Silence())
    with np.load(tmp_path / "0.0.npz") as two:
        for number, variable in enumerate(course.network.trainable_variables):
            np.testing.assert_allclose(two[f"arr_{number}"], variable.numpy(), atol=1e-5)
        np.testing.assert_allclose(two["losses"], [(epoch.loss, epoch.val_loss) for epoch in history], atol=1e-5)
    with np.load(tmp_path / "0.2.npz") as two:  # each device drops others
        assert two["losses"][-1, 1] < two["losses"][0, 1]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_the_digits_learn_too(tmp_path: Path, policy: str) -> None:
    asked = lesson(tmp_path / "run", training={"epochs": 8})
    devices = Devices(tf.distribute.get_strategy(), 1, policy, compiled=False)
    before = keras.config.dtype_policy()
    with devices.scope():
        course = Tiny(32)
        keeper = Keeper(asked, Silence(), every=0)
        work = Study(course, Settings.of(asked, 32), asked, devices, keeper, Silence())
    assert keras.config.dtype_policy() == before
    assert course.network.layers[1].compute_dtype == policy.removeprefix("mixed_")
    history, facts = work.run(None)
    assert facts["best_epoch"] > 0
    assert history[-1].val_loss < facts["start_val_loss"] - 0.05


def test_one_cpu_computes_plainly() -> None:
    devices = settle()
    assert (devices.replicas, devices.policy, devices.compiled) == (1, "float32", False)


def test_texts_of_any_length_are_one_graph(tmp_path: Path) -> None:
    traces = []

    class Count(keras.layers.Layer):
        def call(self, x: tf.Tensor) -> tf.Tensor:
            traces.append(x.shape)
            return x

    class Words(Tiny):
        def __init__(self, batch: int) -> None:
            super().__init__(batch)
            ids = keras.Input((None,), dtype="int32", name="points")
            vectors = Count()(keras.layers.Embedding(5, 4)(ids))
            self.network = keras.Model({"points": ids}, keras.layers.Dense(3)(keras.ops.mean(vectors, 1)))

        def _of(self, rows: np.ndarray, weight: np.ndarray) -> Batch:
            made = super()._of(rows, weight)
            long = 2 + int(rows[0]) % 5
            return Batch({"points": np.ones((len(rows), long), np.int32)}, made.y, made.weight)

    study(Words, lesson(tmp_path / "run"), Silence())
    trained = [shape for shape in traces if shape[0] == 32]
    assert trained == [(32, None, 4)]


def test_batches_are_made_in_order_on_another_thread_but_not_far_ahead() -> None:
    made: list[int] = []

    def make(number: int) -> tuple[int, str]:
        made.append(number)
        return number, threading.current_thread().name

    got = []
    for number, thread in ahead(make, range(3, 12)):
        got.append(number)
        assert thread != threading.current_thread().name
        assert max(made) <= number + 3
    assert got == made == list(range(3, 12))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_what_goes_wrong_on_the_thread_is_told_in_its_turn() -> None:
    numbers = ahead(lambda number: 1 / (2 - number), range(5))
    assert [next(numbers), next(numbers)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(numbers)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_as_many_epochs_are_planned_as_there_is_time_for() -> None:
    wanted = Schedule(batch=32, epochs=20, steps=100)
    assert fitted(wanted, left=1e6, step=0.1, look=1.0) == wanted
    assert fitted(wanted, left=100, step=0.1, look=1.0).epochs == 8  # 90 s of it, 11 s each
    short = fitted(wanted, left=10, step=0.1, look=1.0)
    assert (short.epochs, short.steps) == (1, 80)
    assert fitted(wanted, left=1, step=0.1, look=1.0).epochs == 0
    assert fitted(wanted, left=-5, step=0.1, look=1.0).total == 0


def test_losses_are_judged_after_temperature() -> None:
    random = np.random.default_rng(0)
    y = np.eye(3)[random.integers(0, 3, 200)]
    logits = 2 * y + random.normal(size=y.shape)
    loss, score = judge(Task.CLASSIFY, logits, y)
    assert (loss, score) == pytest.approx(judge(Task.CLASSIFY, 7 * logits, y), rel=1e-4)
    assert score == (logits.argmax(1) == y.argmax(1)).mean()
    tags = (y > 0.5).astype(float)
    loss, _ = judge(Task.TAG, logits - 1, tags)
    assert loss == pytest.approx(judge(Task.TAG, 7 * (logits - 1), tags)[0], rel=1e-4)
    assert judge(Task.REGRESS, y[:, :1], y[:, :1]) == (0, 1)
    assert np.isnan(judge(Task.REGRESS, np.full((4, 1), np.inf), np.ones((4, 1)))[0])
