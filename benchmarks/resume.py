"""Is a resumed run bit-exact? `kill -9` at random points, then `resume`, then compare the hash of the weights.

    python -m benchmarks.resume [--kills 100] [--seed 0]

A small convolutional network with dropout is trained on the 1,797 digits of scikit-learn by the training loop of every
depth, in randomly shifted batches. One run is not disturbed; each of the others gets SIGKILL at a random moment between
its first batch and its last checkpoint, and is resumed in another process. SHA-256 covers the bytes of all weights.
Children are forked from a process that has imported TensorFlow and computed nothing, because imports would take half of
the time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

from finetune.data.task import Task
from finetune.deep.training.batch_source import Batch
from finetune.deep.training.checkpoint import CHECKPOINT_FILE
from finetune.deep.training.trainer import train_network
from finetune.deep.training_job import TrainingJob
from finetune.head import Head
from finetune.recipe import Depth, TrainingOptions
from graft.inputs.image import ImageInput
from graft.progress import SilentProgress
from zoo import get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TRAIN = 1_400
SECONDS = 0.1  # between checkpoints
EPOCHS = 12


class Digits:
    """A `BatchSource`: 8x8 digits, shifted at random, and two convolutions with dropout."""

    def __init__(self, batch: int, started: Path) -> None:
        data = load_digits()
        self._x = data.images[..., None].astype(np.float32) / 16
        self._y = np.eye(10, dtype=np.float32)[data.target]
        self._batch, self._started = batch, started
        inputs = keras.Input((8, 8, 1), name="pixels")
        x = keras.layers.Conv2D(24, 3, padding="same", activation="relu")(inputs)
        x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = keras.layers.Conv2D(48, 3, strides=2, activation="relu")(x)
        x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
        self.network = keras.Model({"pixels": inputs}, keras.layers.Dense(10)(x))
        self.rate_factors: Mapping[str, float] = {v.path: 0.7 for v in self.network.layers[1].variables}

    def steps_per_epoch(self) -> int:
        """Return the number of batches in an epoch."""
        return TRAIN // self._batch

    def training_batch(self, epoch: int, step: int) -> Batch:
        """Return a batch; it depends on epoch and step alone."""
        if not self._started.exists():
            self._started.touch()
        random = np.random.default_rng([epoch, step])
        rows = np.random.default_rng(epoch).permutation(TRAIN)[step * self._batch :][: self._batch]
        shift = random.integers(-1, 2, 2)
        return self._of(np.roll(self._x[rows], shift, (1, 2)), rows)

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the validation set as one batch."""
        rows = np.arange(TRAIN, len(self._x))
        yield self._of(self._x[rows], rows)

    def _of(self, x: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> Batch:
        return Batch({"pixels": x}, self._y[rows], np.ones(len(rows), np.float32))


def training_job(folder: Path, resume: bool) -> TrainingJob:
    head: Head[Any] = Head("logistic", "Softmax", np.zeros((10, 48), np.float32), np.zeros(10, np.float32), None, 0)
    return TrainingJob(
        backbone=get_backbone(DEFAULT_IMAGE_BACKBONE),
        depth=Depth.FULL,
        task=Task.CLASSIFY,
        inputs=ImageInput(8),
        samples=(),
        sha256=(),
        y=np.zeros(TRAIN, np.intp),
        labels=tuple("0123456789"),
        sample_weights=np.ones(TRAIN, np.float32),
        train_rows=np.arange(TRAIN),
        val_rows=np.arange(TRAIN, 1797),
        start_head=head,
        training=TrainingOptions(epochs=EPOCHS, batch=32, rate=2e-3, patience=100),
        folder=folder,
        resume=resume,
    )


def train(folder: Path, resume: bool) -> None:
    """Train in this process; write the files `started` with the first batch and `sha256` at the end."""
    batches, *_ = train_network(
        lambda batch: Digits(batch, folder / "started"), training_job(folder, resume), SilentProgress(), SECONDS
    )
    digest = hashlib.sha256()
    for variable in batches.network.variables[: len(batches.network.weights)]:
        digest.update(variable.numpy().tobytes())
    (folder / "sha256").write_text(digest.hexdigest())


def fork_run(folder: Path, resume: bool = False) -> int:
    """Fork a process that trains in `folder`, and return its id."""
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    try:
        train(folder, resume)
    except BaseException as error:  # the child must not return into the parent's code
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.005)


def kill_run(folder: Path, after: float) -> tuple[bool, bool]:
    """Kill a run `after` seconds from its first batch; return whether it was still running, and had a checkpoint."""
    child = fork_run(folder)
    wait_for(folder / "started")
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and not (folder / "sha256").exists(), (folder / CHECKPOINT_FILE).exists()


def finish_run(folder: Path, resume: bool) -> str:
    """Train to the end in a child process, and return the hash of the weights."""
    os.waitpid(fork_run(folder, resume), 0)
    return (folder / "sha256").read_text() if (folder / "sha256").exists() else "failed"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, start = random.Random(options.seed), time.monotonic()  # noqa: S311
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "whole")
        expected = finish_run(folder, resume=False)
        again = finish_run(Path(scratch, "again"), resume=False)
        assert expected == again != "failed", "two undisturbed runs differ"
        length = (folder / "sha256").stat().st_mtime - (folder / "started").stat().st_mtime
        equal = with_checkpoint = kills = 0
        while kills < options.kills:
            run = Path(scratch, "run")
            shutil.rmtree(run, ignore_errors=True)
            was_running, had_checkpoint = kill_run(run, rng.uniform(0, length))
            if not was_running:
                continue
            kills, with_checkpoint = kills + 1, with_checkpoint + had_checkpoint
            equal += finish_run(run, resume=True) == expected
            print(f"  {kills} kills, {equal} equal, {time.monotonic() - start:.0f} s", end="\r", flush=True)
    minutes = (time.monotonic() - start) / 60
    print(
        f"| kill -9 at {kills} random points of a run of {length:.1f} s | {kills} resumes ({with_checkpoint} of them"
        f" from a checkpoint, the others from the start), {equal} equal final hashes | {minutes:.1f} min |"
    )
    if equal < kills:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
