"""Metrics of classes against scikit-learn and by hand."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from finetune.evaluate.classification_metrics import classification_metrics, unknown_metrics, wilson_interval

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


def test_accuracy_of_known_and_unknown_samples() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], np.float32)
    y, novelty = np.array([0, 1, 1, 0]), np.array([1, 2, 3, 4], np.float32)
    assert unknown_metrics(scores, y, novelty, 3.0) == {
        "known": 0.75, "accuracy_known": pytest.approx(2 / 3), "accuracy_unknown": 1.0,
    }  # fmt: skip
    assert unknown_metrics(scores, y, novelty, 9.0)["accuracy_unknown"] is None
    assert unknown_metrics(scores, y, novelty, 0.0)["accuracy_known"] is None


def test_wilson_interval_by_hand() -> None:
    assert wilson_interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson_interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
