"""Cache of activations at the cut of a network, for depth `top`: computed once by ONNX Runtime, on all cores.

    FOLDER/maps-KEY-plain.npy      float16 [n,h,w,c], of the images without augmentation
           maps-KEY-1.npy …        float16 [m,h,w,c], of each augmented view of the training images

KEY is a hash of everything that determines the values. Files are written atomically, so a resumed run reuses them.
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
from finetune.deep.images.augment import RandAugment, UInt8Images
from graft.errors import TrainingFailed
from graft.progress import Progress, ProgressBar
from graft.runtime.cpu_threads import available_cores, map_ordered, thread_pool
from graft.runtime.session import open_session
from graft.storage.atomic_file import open_atomic
from graft.types import Float16Array

AUGMENT_CHUNK: Final = 32  # images that are augmented together; part of KEY
IMAGES_PER_RUN: Final = 4  # images in one run of the session on one thread
_FLOAT16_MAX: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class CachedViews:
    """Activations at the cut, float16: of all n images, and of augmented views of the first m, the training images."""

    original: Float16Array  # [n,h,w,c]
    augmentations: tuple[Float16Array, ...]  # each [m,h,w,c]

    def sample_views(self, rows: NDArray[np.intp], rng: np.random.Generator) -> Float16Array:
        """Return activations float16 [len(rows),h,w,c] of training images, each of a random view drawn from `rng`."""
        all_views = (self.original, *self.augmentations)
        chosen = rng.integers(len(all_views), size=len(rows))
        return np.stack([all_views[view][row] for view, row in zip(chosen.tolist(), rows.tolist(), strict=True)])


@dataclass(frozen=True, slots=True)
class ActivationCache:
    """The frozen bottom of a network, and the folder where its activations are cached."""

    bottom: bytes  # ONNX: `image` uint8 [n,s,s,3] -> `maps` float32 [n,h,w,c]
    key: str  # hash of the images
    folder: Path

    def compute_views(
        self,
        images: UInt8Images,
        train_count: int,
        view_count: int,
        augmenter: RandAugment,
        seed: int,
        progress: Progress,
    ) -> CachedViews:
        """Return the activations of `images`, uint8 [n,s,s,3].

        The first `train_count` images, the training set, also get `view_count` augmented views.

        Raises:
            TrainingFailed: a file could not be written, such as on a full disk.
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

    def _load_or_compute(self, chunks: Iterator[UInt8Images], name: str, rows: int, progress: Progress) -> Float16Array:
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

    def _compute_activations(self, chunks: Iterator[UInt8Images]) -> Iterator[Float16Array]:
        session = open_session(self.bottom)

        def run_bottom(batch: UInt8Images) -> Float16Array:
            maps: NDArray[np.float32] = session.run(None, {"image": batch})[0]
            return np.clip(maps, -_FLOAT16_MAX, _FLOAT16_MAX).astype(np.float16)

        # This thread augments images while the pool runs the network on earlier ones.
        runs = (chunk[at : at + IMAGES_PER_RUN] for chunk in chunks for at in range(0, len(chunk), IMAGES_PER_RUN))
        with thread_pool() as pool:
            yield from map_ordered(pool, run_bottom, runs, 4 * available_cores())


def _image_chunks(images: UInt8Images) -> Iterator[UInt8Images]:
    for at in range(0, len(images), AUGMENT_CHUNK):
        yield images[at : at + AUGMENT_CHUNK]


def _augment_chunks(images: UInt8Images, augmenter: RandAugment, key: tuple[int, ...]) -> Iterator[UInt8Images]:
    for number, chunk in enumerate(_image_chunks(images)):
        yield augmenter(chunk, (*key, number))


def stream_to_npy(path: Path, chunks: Iterable[NDArray[Any]], rows: int, bar: ProgressBar) -> NDArray[Any]:
    """Write `chunks`, arrays [m,…] with `rows` rows in all, into a .npy file, and return it memory-mapped.

    Chunks are written as they arrive, so memory use does not grow with them; the file is written atomically. It is
    not memory-mapped for writing, because a full disk would then kill the process (SIGBUS).

    Raises:
        TrainingFailed: the file could not be written.
    """
    try:
        with open_atomic(path) as file:
            for number, part in enumerate(chunks):
                if not number:
                    header = {"descr": part.dtype.str, "fortran_order": False, "shape": (rows, *part.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(part).data)
                bar.advance(len(part))
    except OSError as error:
        raise TrainingFailed(
            f"{path} cannot be written ({error.strerror}). Free some space there, or set GRAFT_CACHE to another "
            "folder; then continue with --resume. Earlier files are unchanged."
        ) from None
    return map_npy(path)


def map_npy(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file, memory-mapped read-only."""
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
