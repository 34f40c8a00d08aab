"""What a network says at its cut, computed once for every sample and view, in ONNX Runtime on all cores.

    FOLDER/maps-KEY-plain.npy      float16 [n,h,w,c], of the pictures as they are
           maps-KEY-1.npy …        of each augmented view of those that are trained on

KEY is a hash of all that decides them. A file is whole or not there, so a run that goes on takes what is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.deep import augment
from finetune.deep.augment import Augment, Pictures
from finetune.deep.pixels import mapped, stored
from zoo.cores import cores
from zoo.pool import crew, done_by
from zoo.progress import Progress
from zoo.trunk import open_session

Halves = NDArray[np.float16]

CHUNK: Final = 32  # pictures that are augmented together; a part of what decides the views
RUN: Final = 4  # pictures that one run of one thread takes
_MOST: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class Views:
    """Maps at the cut, float16: `plain` [n,h,w,c] of all pictures, `others` of the first m, augmented."""

    plain: Halves
    others: tuple[Halves, ...]  # each [m,h,w,c]

    def pick(self, rows: NDArray[np.intp], random: np.random.Generator) -> Halves:
        """Return maps of `rows` that are trained on, each of a view that `random` draws."""
        every = (self.plain, *self.others)
        chosen = random.integers(len(every), size=len(rows))
        return np.stack([every[view][row] for view, row in zip(chosen.tolist(), rows.tolist(), strict=True)])


@dataclass(frozen=True, slots=True)
class Cached:
    """The bottom of a network, and where its answers are kept."""

    bottom: bytes  # ONNX: `image` uint8 [n,s,s,3] -> `maps` float32 [n,h,w,c]
    key: str  # hash of the pictures
    folder: Path

    def views(
        self, pictures: Pictures, trained: int, count: int, augmenting: Augment, seed: int, progress: Progress
    ) -> Views:
        """Return the maps of `pictures` [n,s,s,3], and `count` augmented views of the first `trained` of them.

        Raises:
            TrainingFailed: a file could not be written.
        """
        done = (
            self._view(_plainly(pictures), f"plain-{len(pictures)}", len(pictures), progress),
            *(
                self._view(
                    _changed(pictures[:trained], augmenting, (seed, view)),
                    f"{view}-{seed}-{augmenting.name}",
                    trained,
                    progress,
                )
                for view in range(1, count + 1)
            ),
        )
        return Views(done[0], done[1:])

    def _view(self, chunks: Iterator[Pictures], name: str, rows: int, progress: Progress) -> Halves:
        path = self._path(name)
        if path.is_file():
            return mapped(path)
        with progress.bar(f"activations at the cut ({name.split('-')[0]})", rows) as bar:
            return stored(path, self._run(chunks), rows, bar)

    def _path(self, name: str) -> Path:
        said = f"{name} {self.key} {augment.VERSION} {CHUNK}".encode() + hashlib.sha256(self.bottom).digest()
        return self.folder / f"maps-{hashlib.sha256(said).hexdigest()[:16]}-{name.split('-')[0]}.npy"

    def _run(self, chunks: Iterator[Pictures]) -> Iterator[Halves]:
        session = open_session(self.bottom)

        def work(pictures: Pictures) -> Halves:
            maps: NDArray[np.float32] = session.run(None, {"image": pictures})[0]
            return np.clip(maps, -_MOST, _MOST).astype(np.float16)

        # Pictures are changed on this thread, while the pool runs those before.
        runs = (chunk[at : at + RUN] for chunk in chunks for at in range(0, len(chunk), RUN))
        with crew() as pool:
            yield from done_by(pool, work, runs, 4 * cores())


def _plainly(pictures: Pictures) -> Iterator[Pictures]:
    for at in range(0, len(pictures), CHUNK):
        yield pictures[at : at + CHUNK]


def _changed(pictures: Pictures, augmenting: Augment, key: tuple[int, ...]) -> Iterator[Pictures]:
    for number, chunk in enumerate(_plainly(pictures)):
        yield augmenting(chunk, (*key, number))
