"""Heads for tags and numbers against scikit-learn, and their metrics."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, f1_score, r2_score

from finetune.data.task import Task
from finetune.evaluate.classification_metrics import tagging_metrics
from finetune.evaluate.evaluate_test_set import regression_metrics
from finetune.head.classify_and_tag import best_f1_thresholds
from finetune.head.standardize import Scaler
from graft.runtime.session import open_session
from tests.support.fakes import OPSET
from tests.support.finetune.fitted_heads import choose_and_refit
from tests.support.finetune.synthetic_features import linear_targets


def scores(data: bytes, x: np.ndarray) -> np.ndarray:
    return open_session(data).run(None, {"features": x})[0]


@pytest.mark.parametrize(("n", "d"), [(120, 12), (40, 200)], ids=["plain", "wide"])
def test_tag_head_equals_one_logistic_regression_per_tag(n: int, d: int) -> None:
    (x, y, _), (x_val, y_val, _) = linear_targets(n, d), linear_targets(n // 2, d, seed=1)
    head = choose_and_refit(Task.TAG, x, y, x_val, y_val)
    both, y_both = np.concatenate([x, x_val]), np.concatenate([y, y_val])
    z = Scaler.from_features(both, head.choice.power)(both)
    strength = head.choice.strength * n / len(both)
    got = scores(head.to_onnx(OPSET, 8), both)
    assert got.shape == y_both.shape
    for number in range(3):
        model = LogisticRegression(C=strength, max_iter=2000, tol=1e-8).fit(z, y_both[:, number])
        expected = 1 / (1 + np.exp(-model.decision_function(z) / head.choice.temperature))
        assert np.abs(got[:, number] - expected).max() < 5e-3


def test_tag_thresholds_maximise_f1() -> None:
    random = np.random.default_rng(0)
    y = random.random((300, 4)) < 0.2
    tag_scores = np.clip(0.25 * y + random.random((300, 4)) * 0.6, 0, 1)
    for number, limit in enumerate(best_f1_thresholds(tag_scores, y)):
        best = max(f1_score(y[:, number], tag_scores[:, number] >= one) for one in np.linspace(0.05, 0.95, 181))
        assert f1_score(y[:, number], tag_scores[:, number] >= limit) >= best - 1e-9
    assert list(best_f1_thresholds(tag_scores, np.zeros_like(y))) == [0.5] * 4
    assert list(best_f1_thresholds(np.full((3, 1), 0.7), np.array([[True], [False], [True]]))) == [0.35]


def test_tag_without_a_validation_sample_keeps_the_default_threshold() -> None:
    (x, y, _), (x_val, y_val, _) = linear_targets(90), linear_targets(30, seed=1)
    y_val[:, 0] = False
    head = choose_and_refit(Task.TAG, x, y, x_val, y_val)
    assert head.choice.thresholds[0] == 0.5
    assert np.isfinite(scores(head.to_onnx(OPSET, 8), x)).all()


@pytest.mark.parametrize(("n", "d"), [(120, 12), (40, 200)], ids=["plain", "wide"])
def test_regress_head_equals_scikit_learn_ridge(n: int, d: int) -> None:
    (x, _, y), (x_val, _, y_val) = linear_targets(n, d), linear_targets(n // 2, d, seed=1)
    head = choose_and_refit(Task.REGRESS, x, y, x_val, y_val)
    both, y_both = np.concatenate([x, x_val]), np.concatenate([y, y_val])
    z = Scaler.from_features(both, head.choice.power)(both)
    expected = Ridge(alpha=head.choice.penalty * len(z)).fit(z, y_both).predict(z)
    got = scores(head.to_onnx(OPSET, 8), both)
    assert got.shape == (len(both), 1)
    assert np.abs(got[:, 0] - expected).max() < 1e-2
    assert head.facts()["unit"] == pytest.approx(y.std())


@pytest.mark.parametrize("task", [Task.TAG, Task.REGRESS])
def test_tag_and_regress_heads_are_deterministic(task: Task) -> None:
    (x, tags, number), (x_val, tags_val, number_val) = linear_targets(60), linear_targets(30, seed=1)
    y, y_val = (tags, tags_val) if task is Task.TAG else (number, number_val)
    first, second = (choose_and_refit(task, x, y, x_val, y_val).to_onnx(OPSET, 8) for _ in range(2))
    assert first == second


def test_tag_metrics_equal_scikit_learn() -> None:
    random = np.random.default_rng(0)
    y = random.random((200, 3)) < 0.3
    tag_scores = np.round(random.random((200, 3)).astype(np.float32), 1)
    limits = (0.3, 0.5, 0.7)
    metrics = tagging_metrics(tag_scores, y, ("a", "b", "c"), limits)
    predictions = tag_scores >= np.array(limits, np.float32)
    assert metrics["micro_f1"] == pytest.approx(f1_score(y, predictions, average="micro"))
    assert metrics["macro_f1"] == pytest.approx(f1_score(y, predictions, average="macro"))
    assert metrics["mean_average_precision"] == pytest.approx(average_precision_score(y, tag_scores, average="macro"))
    assert metrics["subset_accuracy"] == pytest.approx((predictions == y).all(1).mean())


def test_regress_metrics_equal_scikit_learn() -> None:
    _, _, truth = linear_targets(50)
    predictions = truth + np.random.default_rng(1).normal(size=50)
    metrics = regression_metrics(predictions, truth)
    assert metrics["r2"] == pytest.approx(r2_score(truth, predictions))
    assert metrics["rmse"] == pytest.approx(np.sqrt(((predictions - truth) ** 2).mean()))
    assert regression_metrics(np.ones(3), np.ones(3))["r2"] is None
