"""The gate: a trunk that does not repeat Keras is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.build.child import error_of, status_of
from zoo.build.parity import probes, prove
from zoo.errors import GraftError, MissingExtra, ParityError, TrunkError, WeightsError

Floats = NDArray[np.float32]


def features(pictures: NDArray[np.uint8]) -> Floats:
    return pictures.reshape(len(pictures), -1)[:, :10].astype(np.float32)


def test_runs_that_agree_pass_and_the_distance_is_told() -> None:
    parity = prove(features, lambda pictures: features(pictures) + 0.001, 16)
    assert parity.off == pytest.approx(0.001, rel=0.1)
    assert parity.largest == 255
    assert parity.pictures == len(probes(16))


@pytest.mark.parametrize("off", [0.03, -0.03, np.nan])
def test_runs_that_differ_are_refused(off: float) -> None:
    with pytest.raises(ParityError, match="Nothing was cached"):
        prove(features, lambda pictures: features(pictures) + np.float32(off), 16)


def test_a_run_that_is_wrong_in_batches_only_is_refused() -> None:
    with pytest.raises(ParityError):
        prove(features, lambda pictures: features(pictures) * (1.0 if len(pictures) == 1 else 1.01), 16)


def test_real_pictures_and_the_edges_are_compared() -> None:
    pictures = probes(24)
    assert pictures.shape == (14, 24, 24, 3)
    assert {int(picture.max()) for picture in pictures if np.ptp(picture) == 0} == {0, 127, 255}
    assert np.ptp(pictures[:10], axis=(1, 2, 3)).min() > 20


@pytest.mark.parametrize("kind", [TrunkError, ParityError, WeightsError, MissingExtra])
def test_errors_cross_from_the_child_to_its_parent(kind: type[GraftError]) -> None:
    assert error_of(status_of(kind("x"))) is kind


def test_any_other_end_of_the_child_is_a_trunk_error() -> None:
    assert error_of(1) is error_of(-9) is TrunkError
