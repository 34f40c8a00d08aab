"""Checkpoints: whole or not there, exact, and of one run only."""

from __future__ import annotations

import dataclasses
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest

from finetune.deep.checkpoint import NAME, Checkpoint, State, name_of, tidy
from finetune.deep.optimiser import Optimiser, Pace
from finetune.training import Training
from tests.finetune.deep.tiny import Tiny, lesson

ARRAYS = {
    "weight_0": np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32),
    "optimiser_0": np.array(7, np.int64),
    "random_0": np.array([3, 2**32 - 1], np.uint32),
}


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    facts = {"loss": 0.1 + 0.2, "best": 3, "history": [{"val_loss": 1e-17}]}
    Checkpoint(facts, ARRAYS).write(tmp_path)
    found = Checkpoint.read(tmp_path)
    assert found is not None
    assert found.facts == facts
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_there_is_no_pickle_in_it(tmp_path: Path) -> None:
    Checkpoint({}, ARRAYS).write(tmp_path)
    with np.load(tmp_path / NAME, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_file_is_none(tmp_path: Path, share: float) -> None:
    Checkpoint({}, ARRAYS).write(tmp_path)
    data = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(data[: int(len(data) * share)])
    assert Checkpoint.read(tmp_path) is None


def test_a_flipped_bit_is_none(tmp_path: Path) -> None:
    Checkpoint({}, ARRAYS).write(tmp_path)
    data = bytearray((tmp_path / NAME).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / NAME).write_bytes(data)
    assert Checkpoint.read(tmp_path) is None


def test_none_and_another_version_are_none(tmp_path: Path) -> None:
    assert Checkpoint.read(tmp_path) is None
    np.savez(tmp_path / NAME, facts=np.frombuffer(json.dumps({"version": 99}).encode(), np.uint8))
    assert Checkpoint.read(tmp_path) is None


def test_a_full_disk_leaves_the_earlier_one(tmp_path: Path) -> None:
    Checkpoint({"at": 1}, ARRAYS).write(tmp_path)
    before = (tmp_path / NAME).read_bytes()
    with full_disk(4000), pytest.raises(OSError, match="File too large"):
        Checkpoint({"at": 2}, ARRAYS).write(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before
    assert [path.name for path in tmp_path.glob(f"*{NAME}*")] == [NAME]


def test_halves_of_killed_runs_are_deleted(tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.ab12.part").write_bytes(b"half")
    (tmp_path / "activations.npy").write_bytes(b"whole")
    Checkpoint({}, ARRAYS).write(tmp_path)
    tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {NAME, "activations.npy"}


def made() -> tuple[keras.Model, Optimiser]:
    network = Tiny(8).network
    optimiser = Optimiser(Pace(0.1), {}, 0.1)
    optimiser.build(network.trainable_variables)
    return network, optimiser


def test_a_state_is_restored_with_slots_averages_and_random_numbers() -> None:
    network, optimiser = made()
    state = State(network, optimiser)
    kept = state.capture()
    x = np.ones((8, 6), np.float32)
    first = [network({"points": x}, training=True).numpy() for _ in range(2)]
    assert (first[0] != first[1]).any(), "dropout does nothing"
    optimiser.apply([np.ones(variable.shape, np.float32) for variable in network.trainable_variables])
    changed = state.capture()
    assert sum((changed[name] != kept[name]).any() for name in kept) == len(kept)
    state.restore(kept)
    again = [network({"points": x}, training=True).numpy() for _ in range(2)]
    np.testing.assert_array_equal(first, again)
    state.restore(kept)
    for name, array in state.capture().items():
        np.testing.assert_array_equal(array, kept[name])


def test_what_is_frozen_is_not_kept() -> None:
    network, _ = made()
    network.layers[1].trainable = False
    everything = State(network, Optimiser(Pace(0.1), {}, 0.1)).capture()
    assert [array.shape for name, array in everything.items() if name.startswith("weight")] == [(16, 3), (3,)]


def test_a_runs_name_tells_one_from_another(tmp_path: Path) -> None:
    one = lesson(tmp_path)
    assert name_of(one) == name_of(lesson(tmp_path, resume=True, deadline=1.0))
    other_y = one.y.copy()
    other_y[0] = 1 - other_y[0]
    start = tmp_path / "start.npz"
    start.write_bytes(b"weights")
    others = (
        {"y": other_y},
        {"seed": 1},
        {"training": Training(epochs=4, batch=32, rate=0.02)},
        {"start": start},
        {"sha256": (b"1", b"2")},
        {"train": one.train[1:]},
        {"weights": one.weights * 2},
        {"head": dataclasses.replace(one.head, bias=one.head.bias + 1)},
    )
    names = {name_of(dataclasses.replace(one, **other)) for other in others}
    assert len(names | {name_of(one)}) == len(others) + 1
