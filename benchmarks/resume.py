"""Does a run that was killed end as if it had not been? `kill -9` at random points, then `resume`, then the hash.

    python -m benchmarks.resume [--kills 100] [--seed 0]

A small convolutional network with dropout learns 1,797 digits of scikit-learn by the training loop of every
depth, in batches shifted at random. One run is left in peace; each of the others is killed with SIGKILL at a
random moment, from its first batch to its last checkpoint, and gone on with in another process. SHA-256 is over
the bytes of all weights that are returned. Children are forked from a process that has imported TensorFlow and
computed nothing: half of the time would be imports else. The batch and the moment of each kill are free.
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
EVERY = 0.1  # seconds between checkpoints
EPOCHS = 12


class Digits:
    """8x8 digits, shifted at random, through two convolutions with dropout."""

    def __init__(self, batch: int, begun: Path) -> None:
        data = load_digits()
        self._x = data.images[..., None].astype(np.float32) / 16
        self._y = np.eye(10, dtype=np.float32)[data.target]
        self._batch, self._begun = batch, begun
        inputs = keras.Input((8, 8, 1), name="pixels")
        x = keras.layers.Conv2D(24, 3, padding="same", activation="relu")(inputs)
        x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = keras.layers.Conv2D(48, 3, strides=2, activation="relu")(x)
        x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
        self.network = keras.Model({"pixels": inputs}, keras.layers.Dense(10)(x))
        self.rates: Mapping[str, float] = {v.path: 0.7 for v in self.network.layers[1].variables}

    def steps(self) -> int:
        """Return how many batches an epoch has."""
        return TRAIN // self._batch

    def batch(self, epoch: int, step: int) -> Batch:
        """Return a batch; it depends on its numbers alone."""
        if not self._begun.exists():
            self._begun.touch()
        random = np.random.default_rng([epoch, step])
        rows = np.random.default_rng(epoch).permutation(TRAIN)[step * self._batch :][: self._batch]
        shift = random.integers(-1, 2, 2)
        return self._of(np.roll(self._x[rows], shift, (1, 2)), rows)

    def val(self) -> Iterator[Batch]:
        """Yield what is left to choose by."""
        rows = np.arange(TRAIN, len(self._x))
        yield self._of(self._x[rows], rows)

    def _of(self, x: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> Batch:
        return Batch({"pixels": x}, self._y[rows], np.ones(len(rows), np.float32))


def lesson(folder: Path, resume: bool) -> TrainingJob:
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
    """Train in this process; a file `begun` in `folder` is made with the first batch, `done` holds the hash."""
    course, *_ = train_network(
        lambda batch: Digits(batch, folder / "begun"), lesson(folder, resume), SilentProgress(), EVERY
    )
    made = hashlib.sha256()
    for variable in course.network.variables[: len(course.network.weights)]:
        made.update(variable.numpy().tobytes())
    (folder / "done").write_text(made.hexdigest())


def begin(folder: Path, resume: bool = False) -> int:
    """Fork a process that trains in `folder`, and return its id."""
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    try:
        train(folder, resume)
    except BaseException as error:  # the parent has what comes after
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.005)


def killed(folder: Path, after: float) -> tuple[bool, bool]:
    """Kill a run `after` seconds from its first batch; return whether it was still running, and had a checkpoint."""
    child = begin(folder)
    wait_for(folder / "begun")
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and not (folder / "done").exists(), (folder / CHECKPOINT_FILE).exists()


def finished(folder: Path, resume: bool) -> str:
    """Let a run go to its end; return its hash."""
    os.waitpid(begin(folder, resume), 0)
    return (folder / "done").read_text() if (folder / "done").exists() else "failed"


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    chance, start = random.Random(asked.seed), time.monotonic()  # noqa: S311
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "whole")
        wanted = finished(folder, resume=False)
        again = finished(Path(scratch, "again"), resume=False)
        assert wanted == again != "failed", "two runs that nobody disturbed differ"
        length = (folder / "done").stat().st_mtime - (folder / "begun").stat().st_mtime
        equal = with_one = kills = 0
        while kills < asked.kills:
            run = Path(scratch, "run")
            shutil.rmtree(run, ignore_errors=True)
            still, had = killed(run, chance.uniform(0, length))
            if not still:
                continue
            kills, with_one = kills + 1, with_one + had
            equal += finished(run, resume=True) == wanted
            print(f"  {kills} kills, {equal} equal, {time.monotonic() - start:.0f} s", end="\r", flush=True)
    minutes = (time.monotonic() - start) / 60
    print(
        f"| kill -9 at {kills} random points of a run of {length:.1f} s | {kills} resumes ({with_one} of them from a"
        f" checkpoint, the others from the start), {equal} equal final hashes | {minutes:.1f} min |"
    )
    if equal < kills:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
