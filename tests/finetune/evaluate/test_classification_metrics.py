import json

import numpy as np
import pytest
from sklearn import metrics as reference

from finetune.evaluate.metrics import (
    MAX_CURVE_POINTS,
    RELIABILITY_BINS,
    classification_metrics,
    reliability_curve,
    risk_coverage,
    unknown_metrics,
)

LABELS = ("a", "b", "c", "d")


def answers(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.integers(0, 4, n)
    logits = random.normal(size=(n, 4)) + 2 * np.eye(4)[y]
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32), y


def test_classification_metrics_equal_scikit_learn() -> None:
    scores, y = answers()
    got, said = classification_metrics(scores, y, LABELS), scores.argmax(1)
    assert got["accuracy"] == pytest.approx(reference.accuracy_score(y, said))
    assert got["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, said))
    assert got["macro_f1"] == pytest.approx(reference.f1_score(y, said, average="macro"))
    assert got["log_loss"] == pytest.approx(reference.log_loss(y, scores), rel=1e-4)
    assert got["confusion"] == reference.confusion_matrix(y, said).tolist()
    table = reference.classification_report(y, said, target_names=LABELS, output_dict=True)
    for label in LABELS:
        mine = got["per_class"][label]
        assert (mine["precision"], mine["recall"], mine["f1"], mine["support"]) == pytest.approx(
            tuple(table[label][key] for key in ("precision", "recall", "f1-score", "support"))
        )


def test_calibration_error_by_hand() -> None:
    scores = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 10, np.float32)
    y = np.array([0] * 7 + [1] * 3 + [1] * 6 + [0] * 4)
    assert classification_metrics(scores, y, ("a", "b"))["ece"] == pytest.approx(
        (10 * abs(0.7 - 0.9) + 10 * 0) / 20, abs=1e-6
    )


def test_calibration_bins_include_their_upper_edge() -> None:
    upper = [b["upper"] for b in reliability_curve(np.array([[1.0, 0.0], [0.6, 0.4]], np.float64), np.array([0, 0]))]
    assert upper == [pytest.approx(9 / RELIABILITY_BINS), 1.0]


def test_classification_metrics_leave_out_absent_classes() -> None:
    scores, y = answers()
    scores, y = scores[y < 2], y[y < 2]
    scores[:, 3] = 0
    got = classification_metrics(scores, y, LABELS)
    assert got["per_class"]["d"] == {"precision": 0.0, "recall": None, "f1": None, "support": 0}
    assert got["per_class"]["c"]["f1"] == 0.0
    assert got["balanced_accuracy"] == pytest.approx(
        np.mean([got["per_class"][label]["recall"] for label in ("a", "b")])
    )
    json.dumps(got, allow_nan=False)


def test_log_loss_is_finite_at_probability_zero() -> None:
    got = classification_metrics(np.array([[1.0, 0.0]], np.float32), np.array([1]), ("a", "b"))
    assert np.isfinite(got["log_loss"])


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


def test_accuracy_of_known_and_unknown_samples() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], np.float32)
    y, novelty = np.array([0, 1, 1, 0]), np.array([1, 2, 3, 4], np.float32)
    assert unknown_metrics(scores, y, novelty, 3.0) == {
        "known": 0.75, "accuracy_known": pytest.approx(2 / 3), "accuracy_unknown": 1.0,
    }  # fmt: skip
    assert unknown_metrics(scores, y, novelty, 9.0)["accuracy_unknown"] is None
    assert unknown_metrics(scores, y, novelty, 0.0)["accuracy_known"] is None


def test_coverage_at_a_risk_limit() -> None:
    got = risk_coverage(-np.arange(60.0), np.arange(60) == 59)  # one in sixty, the last
    assert (got["coverage_at_1"], got["coverage_at_5"]) == (59 / 60, 1.0)
    at_limit = risk_coverage(-np.arange(20.0), np.arange(20) == 19)  # 5 % is not under 5 %
    assert at_limit["coverage_at_5"] == 0.95
