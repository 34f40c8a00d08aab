"""How many samples, or tokens, one run of a trunk should hold: measured here, when the trunk is loaded.

Batches pay where one sample does not keep a core busy: short texts. They do not pay for a convolutional network on a
CPU, whose activations leave the cache. Nobody has to know which is which.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from graft.bundle.signature import TensorSpec
from graft.inputs.open_input import BatchArrays, Input
from graft.types import Float32Array

MAX_BATCH_SAMPLES: Final = 32  # samples a run
TIMING_TOKENS: Final = 16  # of each sample, where samples have a length
MIN_SPEEDUP: Final = 1.1  # two samples together must be so many times faster, each, than one alone; then more may join
TIMING_ROUNDS: Final = 3


def measure_batch_size(trunk: Callable[[BatchArrays], Float32Array], inputs: Input, input_tensor: TensorSpec) -> int:
    """Return how much one run of a trunk should hold: tokens for texts, else samples; 1 where batches do not pay.

    `input_tensor` is the first tensor that the trunk takes. Where two together pay, the size is doubled for as long as each
    sample gains anything.
    """
    has_length = input_tensor.shape[1:] == (-1,)
    one = np.zeros((TIMING_TOKENS,) if has_length else input_tensor.shape[1:], input_tensor.dtype)

    def seconds_per_sample(size: int) -> float:
        return _time_fastest_run(trunk, inputs.batch([one] * size)) / size

    size, seconds = 1, seconds_per_sample(1)
    while (
        size < MAX_BATCH_SAMPLES
        and (next_seconds := seconds_per_sample(2 * size)) * (MIN_SPEEDUP if size == 1 else 1) < seconds
    ):
        size, seconds = size * 2, next_seconds
    return size * len(one) if has_length and size > 1 else size


def _time_fastest_run(trunk: Callable[[BatchArrays], Float32Array], batch: BatchArrays) -> float:
    """Return the shortest of a few runs: whatever disturbs one only makes it longer."""
    trunk(batch)  # the first run of a shape plans its memory
    taken = []
    for _ in range(TIMING_ROUNDS):
        start = time.perf_counter()
        trunk(batch)
        taken.append(time.perf_counter() - start)
    return min(taken)
