"""Proof that ONNX Runtime repeats Keras: a trunk that fails it is never cached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graft.errors import ParityError
from zoo.sample_inputs import random_photo_crops

PARITY_TOLERANCE: Final = 1e-4  # max|a-b| <= TOLERANCE * max|a|
PARITY_BATCH_SIZES: Final = (1, 7)

ImageRunner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two runs are apart: max|a-b| and max|a|, over all pictures."""

    off: float
    largest: float
    pictures: int
    offs: tuple[float, ...] = ()  # max|a-b| for each of BATCHES


def check_image_parity(reference: ImageRunner, runtime: ImageRunner, size: int) -> Parity:
    """Compare two runs, uint8 [n,s,s,3] -> float32 [n,d], on real pictures and on the edges.

    Raises:
        ParityError: they differ by more than TOLERANCE, or a number is not finite.
    """
    pictures = parity_images(size)
    # One by one: Keras holds all activations of a batch at once, gigabytes where pictures are large.
    expected = np.concatenate([reference(picture[None]) for picture in pictures])
    largest = float(np.abs(expected).max())
    answers = np.stack(
        [
            np.concatenate([runtime(pictures[at : at + batch]) for at in range(0, len(pictures), batch)])
            for batch in PARITY_BATCH_SIZES
        ]
    )
    offs = [float(np.abs(answer - expected).max()) for answer in answers]
    off = max(offs) if all(map(np.isfinite, offs)) else float("nan")
    if not off <= PARITY_TOLERANCE * largest:  # NaN fails too
        raise ParityError(
            f"ONNX Runtime does not repeat Keras: features differ by {off:.3g}, allowed is {PARITY_TOLERANCE:g} of their "
            f"largest, {largest:.3g}. Nothing was cached; please report this with the versions that `pip list` shows."
        )
    return Parity(off, largest, len(pictures), tuple(offs))


def parity_images(size: int) -> NDArray[np.uint8]:
    """Return the pictures that are compared, uint8 [14,size,size,3]: crops, black, white, grey and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    flat = [np.full((1, size, size, 3), value, np.uint8) for value in (0, 255, 127)]
    return np.concatenate([random_photo_crops(10, size, seed=1), *flat, noise])
