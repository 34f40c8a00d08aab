"""Several devices, mixed precision, and one graph for inputs of any length."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.deep.training.batch_source import Batch
from finetune.deep.training.checkpoint import CheckpointWriter
from finetune.deep.training.devices import Devices, configure_devices
from finetune.deep.training.schedule import Hyperparameters
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
