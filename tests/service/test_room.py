"""Whether batches pay is measured; here with trunks whose speed is known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from service.room import TOKENS, room
from tests.fakes import SIZE
from tests.text_fakes import tiny_text_input
from zoo.golden import Floats
from zoo.image import ImageInput
from zoo.inputs import Arrays
from zoo.signature import Tensor

IMAGE = Tensor("image", "uint8", (-1, SIZE, SIZE, 3))
IDS = Tensor("token_ids", "int32", (-1, -1))


def slow(start: float, each: float) -> object:
    """A trunk that takes so many seconds for a run, and more for each sample."""

    def trunk(arrays: Arrays) -> Floats:
        count = len(next(iter(arrays.values())))
        time.sleep(start + each * count)
        return np.zeros((count, 2), np.float32)

    return trunk


def test_no_batches_where_a_sample_keeps_a_core_busy() -> None:
    assert room(slow(0.0, 0.02), ImageInput(SIZE), IMAGE) == 1  # type: ignore[arg-type]
    assert room(slow(0.0, 0.02), tiny_text_input(), IDS) == 1  # type: ignore[arg-type]


def test_batches_as_large_as_pays() -> None:
    images = room(slow(0.04, 0.002), ImageInput(SIZE), IMAGE)  # type: ignore[arg-type]
    assert images > 2
    assert room(slow(0.04, 0.002), tiny_text_input(), IDS) >= 4 * TOKENS  # type: ignore[arg-type]


@pytest.mark.parametrize("takes", [IMAGE, IDS])
def test_it_is_asked_with_what_the_trunk_takes(takes: Tensor) -> None:
    seen: list[Arrays] = []

    def trunk(arrays: Arrays) -> Floats:
        seen.append(arrays)
        return np.zeros((1, 1), np.float32)

    room(trunk, ImageInput(SIZE) if takes is IMAGE else tiny_text_input(), takes)
    first = next(iter(seen[0].values()))
    assert first.dtype == takes.dtype
    assert first.shape == ((1, SIZE, SIZE, 3) if takes is IMAGE else (1, TOKENS))
