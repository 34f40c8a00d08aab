"""How many samples, or tokens, one run of a trunk should hold: measured here, when the trunk is loaded.

Batches pay where one sample does not keep a core busy: short texts. They do not pay for a convolutional network on a
CPU, whose activations leave the cache. Nobody has to know which is which.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from zoo.golden import Floats
from zoo.inputs import Arrays, Input
from zoo.signature import Tensor

LARGEST: Final = 32  # samples a run
TOKENS: Final = 16  # of each sample, where samples have a length
PAYS: Final = 1.1  # two samples together must be so many times faster, each, than one alone; then more may join
ROUNDS: Final = 3


def room(trunk: Callable[[Arrays], Floats], inputs: Input, takes: Tensor) -> int:
    """Return how much one run of a trunk should hold: tokens for texts, else samples; 1 where batches do not pay.

    `takes` is the first tensor that the trunk takes. Where two together pay, the size is doubled for as long as each
    sample gains anything.
    """
    has_length = takes.shape[1:] == (-1,)
    one = np.zeros((TOKENS,) if has_length else takes.shape[1:], takes.dtype)

    def each(size: int) -> float:
        return _seconds(trunk, inputs.batch([one] * size)) / size

    size, now = 1, each(1)
    while size < LARGEST and (larger := each(2 * size)) * (PAYS if size == 1 else 1) < now:
        size, now = size * 2, larger
    return size * len(one) if has_length and size > 1 else size


def _seconds(trunk: Callable[[Arrays], Floats], batch: Arrays) -> float:
    """Return the shortest of a few runs: whatever disturbs one only makes it longer."""
    trunk(batch)  # the first run of a shape plans its memory
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        trunk(batch)
        taken.append(time.perf_counter() - start)
    return min(taken)
