"""Reliability curve, calibration error and risk-coverage curve, by hand."""

import numpy as np
import pytest

from finetune.evaluate.calibration_metrics import (
    MAX_CURVE_POINTS,
    RELIABILITY_BINS,
    expected_calibration_error,
    reliability_curve,
    risk_coverage,
)


def test_calibration_error_by_hand() -> None:
    scores = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 10, np.float32)
    y = np.array([0] * 7 + [1] * 3 + [1] * 6 + [0] * 4)
    assert expected_calibration_error(reliability_curve(scores, y)) == pytest.approx(
        (10 * abs(0.7 - 0.9) + 10 * 0) / 20, abs=1e-6
    )


def test_calibration_bins_include_their_upper_edge() -> None:
    upper = [b["upper"] for b in reliability_curve(np.array([[1.0, 0.0], [0.6, 0.4]], np.float64), np.array([0, 0]))]
    assert upper == [pytest.approx(9 / RELIABILITY_BINS), 1.0]


def test_risk_coverage_by_hand() -> None:
    confidence = np.array([0.6, 0.9, 0.8, 0.7])
    got = risk_coverage(confidence, np.array([True, False, False, True]))
    assert [(point["coverage"], point["risk"]) for point in got["curve"]] == [
        (0.25, 0.0), (0.5, 0.0), (0.75, pytest.approx(1 / 3)), (1.0, 0.5),
    ]  # fmt: skip
    assert got["aurc"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert (got["coverage_at_1"], got["coverage_at_5"]) == (0.5, 0.5)


def test_risk_coverage_is_independent_of_order_among_ties() -> None:
    confidence = np.array([1.0, 1.0, 1.0, 1.0, 0.5])
    got = [risk_coverage(confidence, np.roll([True, False, False, False, False], turn)) for turn in range(4)]
    assert got[0] == got[1] == got[3]
    assert [point["coverage"] for point in got[0]["curve"]] == [0.8, 1.0]
    assert got[0]["aurc"] == pytest.approx((4 * 0.25 + 0.2) / 5)
    assert got[0]["coverage_at_5"] == 0


def test_risk_coverage_of_perfect_answers_is_a_short_curve() -> None:
    got = risk_coverage(np.linspace(0, 1, 5000), np.zeros(5000, bool))
    assert (got["aurc"], got["coverage_at_1"]) == (0, 1)
    assert len(got["curve"]) == MAX_CURVE_POINTS
    assert got["curve"][-1]["coverage"] == 1


def test_coverage_at_a_risk_limit() -> None:
    got = risk_coverage(-np.arange(60.0), np.arange(60) == 59)  # one in sixty, the last
    assert (got["coverage_at_1"], got["coverage_at_5"]) == (59 / 60, 1.0)
    at_limit = risk_coverage(-np.arange(20.0), np.arange(20) == 19)  # 5 % is not under 5 %
    assert at_limit["coverage_at_5"] == 0.95
