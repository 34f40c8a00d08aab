"""Checkpoints: written atomically, restored exactly, used only by the run that wrote them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from finetune.deep.training.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    NetworkState,
    delete_partial_checkpoints,
    job_fingerprint,
)
from finetune.deep.training.optimizer import AveragingAdamW
from finetune.deep.training.schedule import CosineWarmupSchedule
from finetune.recipe import TrainingOptions
from tests.support.finetune.tiny_training_job import TinyBatchSource, tiny_job
from tests.support.full_disk import full_disk

ARRAYS = {
    "weight_0": np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32),
    "optimiser_0": np.array(7, np.int64),
    "random_0": np.array([3, 2**32 - 1], np.uint32),
}


def test_checkpoint_round_trip_is_exact(tmp_path: Path) -> None:
    facts = {"loss": 0.1 + 0.2, "best": 3, "history": [{"val_loss": 1e-17}]}
    Checkpoint(facts, ARRAYS).write(tmp_path)
    checkpoint = Checkpoint.read(tmp_path)
    assert checkpoint is not None
    assert checkpoint.facts == facts
    assert checkpoint.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert checkpoint.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(checkpoint.arrays[name], array)


def test_checkpoint_holds_no_pickle(tmp_path: Path) -> None:
    Checkpoint({}, ARRAYS).write(tmp_path)
    with np.load(tmp_path / CHECKPOINT_FILE, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_checkpoint_is_ignored(tmp_path: Path, share: float) -> None:
    Checkpoint({}, ARRAYS).write(tmp_path)
    data = (tmp_path / CHECKPOINT_FILE).read_bytes()
    (tmp_path / CHECKPOINT_FILE).write_bytes(data[: int(len(data) * share)])
    assert Checkpoint.read(tmp_path) is None


def test_corrupt_checkpoint_is_ignored(tmp_path: Path) -> None:
    Checkpoint({}, ARRAYS).write(tmp_path)
    data = bytearray((tmp_path / CHECKPOINT_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / CHECKPOINT_FILE).write_bytes(data)
    assert Checkpoint.read(tmp_path) is None


def test_missing_checkpoint_and_other_version_are_ignored(tmp_path: Path) -> None:
    assert Checkpoint.read(tmp_path) is None
    np.savez(tmp_path / CHECKPOINT_FILE, facts=np.frombuffer(json.dumps({"version": 99}).encode(), np.uint8))
    assert Checkpoint.read(tmp_path) is None


def test_atomic_checkpoint_survives_a_full_disk(tmp_path: Path) -> None:
    Checkpoint({"at": 1}, ARRAYS).write(tmp_path)
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    with full_disk(4000), pytest.raises(OSError, match="File too large"):
        Checkpoint({"at": 2}, ARRAYS).write(tmp_path)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.glob(f"*{CHECKPOINT_FILE}*")] == [CHECKPOINT_FILE]


def test_checkpoint_parts_of_killed_runs_are_deleted(tmp_path: Path) -> None:
    (tmp_path / f".{CHECKPOINT_FILE}.ab12.part").write_bytes(b"half")
    (tmp_path / "activations.npy").write_bytes(b"whole")
    Checkpoint({}, ARRAYS).write(tmp_path)
    delete_partial_checkpoints(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {CHECKPOINT_FILE, "activations.npy"}


def network_and_optimizer() -> tuple[keras.Model, AveragingAdamW]:
    network = TinyBatchSource(8).network
    optimizer = AveragingAdamW(CosineWarmupSchedule(0.1), {}, 0.1)
    optimizer.build(network.trainable_variables)
    return network, optimizer


def test_checkpoint_restores_optimizer_slots_averages_and_random_state() -> None:
    network, optimizer = network_and_optimizer()
    state = NetworkState(network, optimizer)
    saved = state.capture()
    x = np.ones((8, 6), np.float32)
    first = [network({"points": x}, training=True).numpy() for _ in range(2)]
    assert (first[0] != first[1]).any(), "dropout does nothing"
    optimizer.apply([np.ones(variable.shape, np.float32) for variable in network.trainable_variables])
    changed = state.capture()
    assert sum((changed[name] != saved[name]).any() for name in saved) == len(saved)
    state.restore(saved)
    again = [network({"points": x}, training=True).numpy() for _ in range(2)]
    np.testing.assert_array_equal(first, again)
    state.restore(saved)
    for name, array in state.capture().items():
        np.testing.assert_array_equal(array, saved[name])


def test_checkpoint_leaves_out_frozen_weights() -> None:
    network, _ = network_and_optimizer()
    network.layers[1].trainable = False
    everything = NetworkState(network, AveragingAdamW(CosineWarmupSchedule(0.1), {}, 0.1)).capture()
    assert [array.shape for name, array in everything.items() if name.startswith("weight")] == [(16, 3), (3,)]


def test_checkpoint_name_depends_on_everything_that_changes_the_run(tmp_path: Path) -> None:
    job = tiny_job(tmp_path)
    assert job_fingerprint(job) == job_fingerprint(tiny_job(tmp_path, resume=True, deadline=1.0))
    other_y = job.y.copy()
    other_y[0] = 1 - other_y[0]
    start = tmp_path / "start.npz"
    start.write_bytes(b"weights")
    others = (
        {"y": other_y},
        {"seed": 1},
        {"training": TrainingOptions(epochs=4, batch=32, rate=0.02)},
        {"start_weights": start},
        {"sha256": (b"1", b"2")},
        {"train_rows": job.train_rows[1:]},
        {"sample_weights": job.sample_weights * 2},
        {"start_head": dataclasses.replace(job.start_head, bias=job.start_head.bias + 1)},
    )
    names = {job_fingerprint(dataclasses.replace(job, **other)) for other in others}
    assert len(names | {job_fingerprint(job)}) == len(others) + 1
