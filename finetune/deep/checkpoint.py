"""Where a run stands, in one file that is whole or not there: arrays in NumPy's format, facts as JSON among them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.lesson import Lesson
from zoo.files import sha256_of, written_whole

Arrays = dict[str, NDArray[Any]]

VERSION: Final = 1  # of what is in the file; another one is not read
NAME: Final = "checkpoint.npz"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to go on as if nothing had happened."""

    facts: dict[str, Any]  # ready for JSON
    arrays: Arrays

    def write(self, folder: Path) -> None:
        """Write it into `folder`, whole or not at all.

        Raises:
            OSError: it could not be written; an earlier one is as it was.
        """
        facts = np.frombuffer(json.dumps(self.facts | {"version": VERSION}).encode(), np.uint8)
        with written_whole(folder / NAME) as file:
            np.savez(file, **self.arrays, facts=facts)  # type: ignore[arg-type]  # none is called allow_pickle

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """Return the one in `folder`; None where there is none that can be read."""
        try:
            with (folder / NAME).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(arrays.pop("facts").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return cls(facts, arrays) if facts.pop("version", None) == VERSION else None


def tidy(folder: Path) -> None:
    """Delete halves of checkpoints that a killed run has left in `folder`."""
    for half in folder.glob(f".{NAME}.*.part"):
        half.unlink(missing_ok=True)


class State:
    """All that changes while a network learns: weights that learn, states of random numbers, and the optimiser's own.

    What is frozen is not in it: the same lesson makes the same network again.
    """

    def __init__(self, network: keras.Model, optimiser: keras.optimizers.Optimizer) -> None:
        weights = {id(weight) for weight in network.weights}
        random = [variable for variable in network.variables if id(variable) not in weights]
        self._variables = {
            f"{kind}_{number}": variable
            for kind, each in (
                ("weight", network.trainable_variables),
                ("random", random),
                ("optimiser", optimiser.variables),
            )
            for number, variable in enumerate(each)
        }

    def capture(self) -> Arrays:
        """Return a copy of it."""
        return {name: np.array(variable.numpy()) for name, variable in self._variables.items()}

    def restore(self, arrays: Arrays) -> None:
        """Make everything what `capture` has returned."""
        for name, variable in self._variables.items():
            variable.assign(arrays[name])


def name_of(lesson: Lesson) -> str:
    """Return a hash of all that decides how a run goes; only a checkpoint of that very run may be gone on with."""
    wish = {
        "backbone": lesson.backbone.name,
        "depth": lesson.depth,
        "task": lesson.task,
        "labels": lesson.labels,
        "seed": lesson.seed,
        "training": asdict(lesson.training),
        "start": lesson.start and sha256_of(lesson.start),
        "input": lesson.inputs.spec(),
    }
    made = hashlib.sha256(json.dumps(wish, sort_keys=True).encode())
    for sha256 in lesson.sha256:
        made.update(sha256)
    for array in (lesson.y, lesson.weights, lesson.train, lesson.val, lesson.head.weights, lesson.head.bias):
        made.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return made.hexdigest()
