"""Rows of numbers that do not fit into memory: written once, in order, then mapped. And the pictures, decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample
from graft.errors import TrainingFailed
from graft.inputs.open_input import Input
from graft.progress import Progress, ProgressBar
from graft.runtime.cpu_threads import available_cores, batched, map_ordered, thread_pool
from graft.storage.atomic_file import open_atomic

IMAGES_PER_TASK: Final = 8  # samples that one task of the pool takes


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


def decode_images(samples: Sequence[LabeledSample], inputs: Input, path: Path, progress: Progress) -> NDArray[np.uint8]:
    """Return every picture as `inputs` decodes it, uint8 [n,s,s,3], in `path`; what is there already is taken.

    Raises:
        TrainingFailed: the file could not be written.
        InputError: a picture cannot be decoded any more.
    """
    if path.is_file():
        return map_npy(path)

    def decode_batch(some: list[LabeledSample]) -> NDArray[np.uint8]:
        return np.stack([inputs(sample.read()) for sample in some])

    with thread_pool() as pool, progress.bar("decoding pictures", len(samples)) as bar:
        return stream_to_npy(
            path,
            map_ordered(pool, decode_batch, batched(samples, IMAGES_PER_TASK), 2 * available_cores()),
            len(samples),
            bar,
        )
