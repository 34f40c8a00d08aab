"""Whether batches pay is measured; here with trunks whose speed is known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from graft.bundle.signature import TensorSpec
from graft.inputs.image import ImageInput
from graft.inputs.open_input import BatchArrays
from graft.types import Float32Array
from service.inference.batcher import TIMING_TOKENS, measure_batch_size
from tests.support.fakes import SIZE
from tests.support.text_fakes import tiny_text_input

IMAGE = TensorSpec("image", "uint8", (-1, SIZE, SIZE, 3))
IDS = TensorSpec("token_ids", "int32", (-1, -1))


def slow(start: float, each: float) -> object:
    """A trunk that takes so many seconds for a run, and more for each sample."""

    def trunk(arrays: BatchArrays) -> Float32Array:
        count = len(next(iter(arrays.values())))
        time.sleep(start + each * count)
        return np.zeros((count, 2), np.float32)

    return trunk


def test_batch_size_is_one_where_batching_does_not_pay() -> None:
    assert measure_batch_size(slow(0.0, 0.02), ImageInput(SIZE), IMAGE) == 1  # type: ignore[arg-type]
    assert measure_batch_size(slow(0.0, 0.02), tiny_text_input(), IDS) == 1  # type: ignore[arg-type]


def test_batch_size_grows_as_long_as_it_pays() -> None:
    images = measure_batch_size(slow(0.04, 0.002), ImageInput(SIZE), IMAGE)  # type: ignore[arg-type]
    assert images > 2
    assert measure_batch_size(slow(0.04, 0.002), tiny_text_input(), IDS) >= 4 * TIMING_TOKENS  # type: ignore[arg-type]


@pytest.mark.parametrize("takes", [IMAGE, IDS])
def test_batch_size_is_measured_with_valid_inputs(takes: TensorSpec) -> None:
    seen: list[BatchArrays] = []

    def trunk(arrays: BatchArrays) -> Float32Array:
        seen.append(arrays)
        return np.zeros((1, 1), np.float32)

    measure_batch_size(trunk, ImageInput(SIZE) if takes is IMAGE else tiny_text_input(), takes)
    first = next(iter(seen[0].values()))
    assert first.dtype == takes.dtype
    assert first.shape == ((1, SIZE, SIZE, 3) if takes is IMAGE else (1, TIMING_TOKENS))
