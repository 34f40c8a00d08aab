"""Parity check: a trunk whose features differ from Keras' is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from graft.errors import GraftError, MissingExtra, ParityError, TrunkError, WeightsError
from graft.types import Float32Array
from zoo.convert.parity import check_image_parity, parity_images
from zoo.convert.process.child_process import error_class_for, exit_status_for


def features(pictures: NDArray[np.uint8]) -> Float32Array:
    return pictures.reshape(len(pictures), -1)[:, :10].astype(np.float32)


def test_parity_passes_and_reports_the_distance() -> None:
    parity = check_image_parity(features, lambda pictures: features(pictures) + 0.001, 16)
    assert parity.off == pytest.approx(0.001, rel=0.1)
    assert parity.largest == 255
    assert parity.pictures == len(parity_images(16))


@pytest.mark.parametrize("off", [0.03, -0.03, np.nan])
def test_parity_refuses_differences_and_nan(off: float) -> None:
    with pytest.raises(ParityError, match="Nothing was cached"):
        check_image_parity(features, lambda pictures: features(pictures) + np.float32(off), 16)


def test_parity_refuses_errors_in_batches_only() -> None:
    with pytest.raises(ParityError):
        check_image_parity(features, lambda pictures: features(pictures) * (1.0 if len(pictures) == 1 else 1.01), 16)


def test_parity_probes_include_real_images_and_extremes() -> None:
    pictures = parity_images(24)
    assert pictures.shape == (14, 24, 24, 3)
    assert {int(picture.max()) for picture in pictures if np.ptp(picture) == 0} == {0, 127, 255}
    assert np.ptp(pictures[:10], axis=(1, 2, 3)).min() > 20


@pytest.mark.parametrize("kind", [TrunkError, ParityError, WeightsError, MissingExtra])
def test_child_process_errors_keep_their_type(kind: type[GraftError]) -> None:
    assert error_class_for(exit_status_for(kind("x"))) is kind


def test_child_process_crash_is_a_trunk_error() -> None:
    assert error_class_for(1) is error_class_for(-9) is TrunkError
