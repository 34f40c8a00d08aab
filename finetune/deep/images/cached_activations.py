"""What a network says at its cut, computed once for every sample and view, in ONNX Runtime on all cores.

    FOLDER/maps-KEY-plain.npy      float16 [n,h,w,c], of the pictures as they are
           maps-KEY-1.npy …        of each augmented view of those that are trained on

KEY is a hash of all that decides them. A file is whole or not there, so a run that goes on takes what is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.deep.images import augment
from finetune.deep.images.augment import Pictures, RandAugment
from graft.errors import TrainingFailed
from graft.progress import Progress, ProgressBar
from graft.runtime.cpu_threads import available_cores, map_ordered, thread_pool
from graft.runtime.session import open_session
from graft.storage.atomic_file import open_atomic
from graft.types import Float16Array

AUGMENT_CHUNK: Final = 32  # pictures that are augmented together; a part of what decides the views
IMAGES_PER_RUN: Final = 4  # pictures that one run of one thread takes
_FLOAT16_MAX: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class CachedViews:
    """Maps at the cut, float16: `original` [n,h,w,c] of all pictures, `augmentations` of the first m, augmented."""

    original: Float16Array
    augmentations: tuple[Float16Array, ...]  # each [m,h,w,c]

    def sample_views(self, rows: NDArray[np.intp], rng: np.random.Generator) -> Float16Array:
        """Return maps of `rows` that are trained on, each of a view that `rng` draws."""
        all_views = (self.original, *self.augmentations)
        chosen = rng.integers(len(all_views), size=len(rows))
        return np.stack([all_views[view][row] for view, row in zip(chosen.tolist(), rows.tolist(), strict=True)])


@dataclass(frozen=True, slots=True)
class ActivationCache:
    """The bottom of a network, and where its answers are kept."""

    bottom: bytes  # ONNX: `image` uint8 [n,s,s,3] -> `maps` float32 [n,h,w,c]
    key: str  # hash of the pictures
    folder: Path

    def compute_views(
        self, images: Pictures, train_count: int, view_count: int, augmenter: RandAugment, seed: int, progress: Progress
    ) -> CachedViews:
        """Return the maps of `images` [n,s,s,3], and `view_count` augmented views of the first `train_count` of them.

        Raises:
            TrainingFailed: a file could not be written.
        """
        views = (
            self._load_or_compute(_image_chunks(images), f"plain-{len(images)}", len(images), progress),
            *(
                self._load_or_compute(
                    _augment_chunks(images[:train_count], augmenter, (seed, view)),
                    f"{view}-{seed}-{augmenter.variant}",
                    train_count,
                    progress,
                )
                for view in range(1, view_count + 1)
            ),
        )
        return CachedViews(views[0], views[1:])

    def _load_or_compute(self, chunks: Iterator[Pictures], name: str, rows: int, progress: Progress) -> Float16Array:
        path = self._view_path(name)
        if path.is_file():
            return map_npy(path)
        with progress.bar(f"activations at the cut ({name.split('-')[0]})", rows) as bar:
            return stream_to_npy(path, self._compute_activations(chunks), rows, bar)

    def _view_path(self, name: str) -> Path:
        identity = (
            f"{name} {self.key} {augment.VERSION} {AUGMENT_CHUNK}".encode() + hashlib.sha256(self.bottom).digest()
        )
        return self.folder / f"maps-{hashlib.sha256(identity).hexdigest()[:16]}-{name.split('-')[0]}.npy"

    def _compute_activations(self, chunks: Iterator[Pictures]) -> Iterator[Float16Array]:
        session = open_session(self.bottom)

        def run_bottom(pictures: Pictures) -> Float16Array:
            maps: NDArray[np.float32] = session.run(None, {"image": pictures})[0]
            return np.clip(maps, -_FLOAT16_MAX, _FLOAT16_MAX).astype(np.float16)

        # Pictures are changed on this thread, while the pool runs those before.
        runs = (chunk[at : at + IMAGES_PER_RUN] for chunk in chunks for at in range(0, len(chunk), IMAGES_PER_RUN))
        with thread_pool() as pool:
            yield from map_ordered(pool, run_bottom, runs, 4 * available_cores())


def _image_chunks(images: Pictures) -> Iterator[Pictures]:
    for at in range(0, len(images), AUGMENT_CHUNK):
        yield images[at : at + AUGMENT_CHUNK]


def _augment_chunks(images: Pictures, augmenter: RandAugment, key: tuple[int, ...]) -> Iterator[Pictures]:
    for number, chunk in enumerate(_image_chunks(images)):
        yield augmenter(chunk, (*key, number))


def stream_to_npy(path: Path, chunks: Iterable[NDArray[Any]], rows: int, bar: ProgressBar) -> NDArray[Any]:
    """Write `chunks`, arrays [m,…] with `rows` rows in all, into `path` in NumPy's format; return them mapped.

    They are written as they come, so memory does not grow with them; the file is whole or not there. It is not
    mapped for writing: where a disk is full that kills a process.

    Raises:
        TrainingFailed: it could not be written.
    """
    try:
        with open_atomic(path) as file:
            for number, part in enumerate(chunks):
                if not number:
                    header = {"descr": part.dtype.str, "fortran_order": False, "shape": (rows, *part.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(part).data)
                bar.advance(len(part))
    except OSError as fault:
        raise TrainingFailed(
            f"{path} cannot be written ({fault.strerror}). Free some space there, or set GRAFT_CACHE to another "
            "folder; then go on with --resume. Nothing that was there before was changed."
        ) from None
    return map_npy(path)


def map_npy(path: Path) -> NDArray[Any]:
    """Return an array that stays on disk."""
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
