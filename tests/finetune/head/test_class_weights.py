"""Class weights: when they are used, and that they are right."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from finetune.data.task import Task
from finetune.head import FitData, Head
from finetune.head.class_weights import (
    FREQUENCY_POWERS,
    MIN_MACRO_F1_GAIN,
    ClassWeightChoice,
    ClassWeighting,
    choose_class_weights,
    class_weights,
    describe_weighting,
    lightest_weighting,
)
from finetune.head.classify_and_tag import ClassifyChoice, mean_class_weights
from finetune.head.fit import CLASSIFY_FITTER
from finetune.head.standardize import Scaler
from finetune.pipeline import run_pipeline
from finetune.plan import make_plan
from finetune.recipe import Recipe
from tests.support.class_folders import fill
from tests.support.fakes import OPSET
from tests.support.finetune.fitted_heads import choose_and_refit
from tests.support.finetune.synthetic_features import head_scores, train_and_val
from tests.support.listener import Listener


def imbalanced_clusters(
    counts: tuple[int, ...], seed: int, apart: float = 1.0, d: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clusters with `counts` samples of each class."""
    y = np.repeat(np.arange(len(counts)), counts)
    centres = np.random.default_rng(99).normal(size=(len(counts), d)) * apart
    x = centres[y] + np.random.default_rng(seed).normal(size=(len(y), d))
    return x.astype(np.float32), y


def fit_with_class_weights(data: FitData, progress: Listener) -> tuple[Head[ClassifyChoice], ClassWeightChoice]:
    choice, weighting = choose_class_weights(CLASSIFY_FITTER, data, None, progress)
    return CLASSIFY_FITTER.refit(choice, weighting.apply(data)), weighting


def test_class_weights_are_off_for_balanced_classes() -> None:
    listener = Listener()
    data = (*imbalanced_clusters((60, 25, 20), 0), *imbalanced_clusters((30, 12, 10), 1))
    head, balance = fit_with_class_weights(FitData(*data), listener)
    assert head.to_onnx(OPSET, 8) == choose_and_refit(Task.CLASSIFY, *data).to_onnx(OPSET, 8)
    assert (balance.weighting, balance.weights.tolist(), listener.lines) == (ClassWeighting.NONE, [1, 1, 1], [])
    assert balance.facts() == {"by": "none", "val_macro_f1": {}}


def test_class_weights_are_on_if_they_find_rare_classes() -> None:
    listener = Listener()
    data = (*imbalanced_clusters((900, 900, 30), 0, 0.8), *imbalanced_clusters((300, 300, 10), 1, 0.8))
    head, balance = fit_with_class_weights(FitData(*data), listener)
    plain = CLASSIFY_FITTER.choose(FitData(*data))
    assert balance.weighting is not ClassWeighting.NONE
    assert head.choice.val_macro_f1 == balance.macro_f1[balance.weighting] >= plain.val_macro_f1 + MIN_MACRO_F1_GAIN
    assert len(listener.lines) == 1
    for words in ("imbalanced (900 to 30", f"weighted by {balance.weighting}", "chosen on validation", "without"):
        assert words in listener.lines[0]
    # The head was fitted with these weights, on both parts.
    test_x, test_y = imbalanced_clusters((300, 300, 300), 2, 0.8)
    predictions = (test_x @ head.weights.T + head.bias).argmax(1)
    unweighted = choose_and_refit(Task.CLASSIFY, *data)
    before = (test_x @ unweighted.weights.T + unweighted.bias).argmax(1)
    assert (predictions == test_y)[test_y == 2].mean() > (before == test_y)[test_y == 2].mean()


def test_class_weights_are_off_if_they_do_not_help() -> None:
    listener = Listener()
    head, balance = fit_with_class_weights(
        FitData(*imbalanced_clusters((200, 20), 0, 9), *imbalanced_clusters((60, 6), 1, 9)), listener
    )
    assert balance.weighting is ClassWeighting.NONE
    assert "no class weights" in listener.lines[0]
    assert set(balance.macro_f1) == set(ClassWeighting)
    assert head.choice.val_macro_f1 == 1


def test_class_weights_heavier_weighting_needs_a_clear_gain() -> None:
    none, root, inverse = ClassWeighting
    assert (
        lightest_weighting({none: 0.5, root: 0.5 + MIN_MACRO_F1_GAIN / 2, inverse: 0.5 + MIN_MACRO_F1_GAIN / 2}) is none
    )
    assert lightest_weighting({none: 0.5, root: 0.6, inverse: 0.6 + MIN_MACRO_F1_GAIN / 2}) is root
    assert lightest_weighting({none: 0.5, root: 0.6, inverse: 0.7}) is inverse
    assert lightest_weighting({none: 0.5, root: 0.4, inverse: 0.6}) is inverse


@pytest.mark.parametrize("power", FREQUENCY_POWERS.values())
def test_class_weights_follow_inverse_frequency_with_mean_one(power: float) -> None:
    counts = np.array([100, 50, 2])
    weights = class_weights(counts, power)
    assert weights.dtype == np.float32
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    assert weights[2] / weights[0] == pytest.approx(50**power)


def test_class_weights_message() -> None:
    none, root, inverse = ClassWeighting
    line = describe_weighting(np.array([812, 40, 9]), root, {none: 0.61, root: 0.7, inverse: 0.68})
    assert line == (
        "classes are imbalanced (812 to 9 train samples): weighted by root of inverse frequency, chosen on "
        "validation: macro F1 0.700 against 0.610 without, 0.680 by inverse frequency"
    )


def test_class_weights_are_recorded_and_reach_the_samples(tmp_path: Path) -> None:
    fill(tmp_path / "photos", each=4)
    (tmp_path / "more").mkdir()
    fill(tmp_path / "more", each=30, first=50)
    for path in (tmp_path / "more" / "red").iterdir():
        path.rename(tmp_path / "photos" / "red" / path.name)
    result = run_pipeline(make_plan(Recipe(data=str(tmp_path / "photos"), models=tmp_path / "models")))
    facts = result.bundle.manifest.head["balanced"]
    assert set(facts["val_macro_f1"]) == set(map(str, ClassWeighting))
    assert facts["by"] in facts["val_macro_f1"]
    weights = result.head_fit.sample_weights
    assert weights.shape == (len(result.features.samples),)
    assert weights.dtype == np.float32


def test_sample_weights_equal_scikit_learn() -> None:
    weights = np.random.default_rng(0).uniform(0.1, 2, 900).astype(np.float32)
    x, y, x_val, y_val = train_and_val(Task.TAG)
    head = choose_and_refit(Task.TAG, x, y, x_val, y_val, weights=weights)
    both, each = np.concatenate([x, x_val]), np.concatenate([weights, np.ones(330)])
    z = Scaler.from_features(both, head.choice.power)(both)
    model = LogisticRegression(C=head.choice.strength * 900 / 1230, max_iter=2000, tol=1e-8)
    model.fit(z, np.concatenate([y, y_val])[:, 0], each)
    expected = 1 / (1 + np.exp(-model.decision_function(z) / head.choice.temperature))
    assert np.abs(head_scores(head, both)[:, 0] - expected).max() < 2e-3

    x, y, x_val, y_val = train_and_val(Task.REGRESS)
    head = choose_and_refit(Task.REGRESS, x, y, x_val, y_val, weights=weights)
    z = Scaler.from_features(both, head.choice.power)(both)
    model = Ridge(alpha=head.choice.penalty * each.sum()).fit(z, np.concatenate([y, y_val]), each)
    assert np.abs(head_scores(head, both)[:, 0] - model.predict(z)).max() < 1e-2


def test_class_weights_apply_to_validation_samples() -> None:
    assert mean_class_weights(np.array([0, 1, 1, 0]), np.array([3, 1, 0.5, 3], np.float32)).tolist() == [
        3,
        0.75,
    ]
    x, y, x_val, y_val = train_and_val(Task.CLASSIFY)
    weights = np.array([0.2, 1, 3], np.float32)
    rows = FitData(x, y, x_val, y_val, weights[y])
    choice = CLASSIFY_FITTER.choose(rows)
    got = head_scores(CLASSIFY_FITTER.refit(choice, rows), x_val)
    both, y_both = np.concatenate([x, x_val]), np.concatenate([y, y_val])
    z = Scaler.from_features(both, choice.power)
    model = LogisticRegression(C=choice.strength * 900 / 1230, max_iter=2000, tol=1e-8)
    logit = model.fit(z(both), y_both, weights[y_both]).decision_function(z(x_val)) / choice.temperature
    expected = np.exp(logit) / np.exp(logit).sum(1, keepdims=True)
    assert np.abs(got - expected).max() < 5e-3
