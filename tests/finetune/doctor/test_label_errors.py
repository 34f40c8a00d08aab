"""Label errors, confusable classes and the cross-validation behind them."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from finetune.data.task import Task
from finetune.doctor import cross_validation, label_errors
from finetune.features import memmap_rows
from finetune.head.standardize import Scaler
from tests.support.finetune.digits import add_label_errors, content_hashes, digit_features, examine_features


def test_cross_validation_folds_are_stratified_and_keep_duplicates_together() -> None:
    names = [bytes([n // 2]) * 32 for n in range(200)]  # every content twice
    strata = ["ab"[n // 2 % 2] for n in range(200)]
    fold = cross_validation.assign_folds(strata, names)
    assert (fold[::2] == fold[1::2]).all()
    for stratum in "ab":
        counts = np.bincount(fold[np.array(strata) == stratum], minlength=cross_validation.FOLDS)
        assert set(counts.tolist()) == {20}


@pytest.mark.parametrize("n", [25, 400])  # far fewer samples than features, and more
def test_cross_validation_prediction_never_uses_the_samples_own_label(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "PENALTIES", (0.3,))
    x, y = digit_features()
    x, targets = x[:n], np.eye(10, dtype=np.float32)[y[:n]]
    fold = cross_validation.assign_folds([str(one) for one in y[:n]], content_hashes(n))
    before = cross_validation.predict_out_of_fold(x, targets, fold)
    for f in range(cross_validation.FOLDS):
        other = targets.copy()
        other[fold == f] = np.roll(other[fold == f], 1, axis=1)
        after = cross_validation.predict_out_of_fold(x, other, fold)
        np.testing.assert_allclose(after[fold == f], before[fold == f], atol=1e-4)
        assert np.abs(after - before)[fold != f].max() > 1e-3  # the others did hear of it


def test_cross_validation_equals_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "PENALTIES", (0.3,))
    x, y = digit_features()
    x, y = x[:300], y[:300]
    fold = cross_validation.assign_folds([str(one) for one in y], content_hashes(300))
    answers = cross_validation.predict_out_of_fold(x, np.eye(10, dtype=np.float32)[y], fold)
    z = Scaler.from_features(x, cross_validation.SCALING_POWER)(x)
    for f in range(cross_validation.FOLDS):
        model = Ridge(alpha=0.3 * (fold != f).sum()).fit(z[fold != f], np.eye(10)[y[fold != f]])
        np.testing.assert_allclose(answers[fold == f], model.predict(z[fold == f]), atol=1e-5)


def test_cross_validation_in_chunks_equals_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = digit_features()
    targets = np.eye(10, dtype=np.float32)[y]
    fold = cross_validation.assign_folds([str(one) for one in y], content_hashes(len(y)))
    whole = cross_validation.predict_out_of_fold(x, targets, fold)
    monkeypatch.setattr(memmap_rows, "MAX_BYTES_IN_MEMORY", 0)
    monkeypatch.setattr(memmap_rows, "CHUNK_BYTES", 4 * 64 * 100)
    np.testing.assert_allclose(cross_validation.predict_out_of_fold(x, targets, fold), whole, atol=1e-4)


def test_confident_learning_equals_cleanlab() -> None:
    """Thirty probabilities, and what cleanlab 2.9 says of them: find_label_issues and num_label_issues."""
    random, y = np.random.default_rng(5), np.arange(30) % 3
    logits = random.normal(size=(30, 3))
    logits[np.arange(30), y] += 2
    logits[[3, 10, 20]] = logits[[4, 11, 18]]
    p = np.exp(logits)
    p = (p / p.sum(1, keepdims=True)).round(4)
    findings = label_errors.find_class_errors((p / p.sum(1, keepdims=True)).astype(np.float32), y, "abc", np.arange(30))
    assert sorted(one.row for one in findings.suspects) == [3, 10]
    assert findings.estimated_count == 3
    assert findings.ranked_rows[:8] == (3, 10, 8, 20, 26, 17, 18, 27)


@pytest.mark.parametrize("seed", range(3))
def test_label_errors_planted_are_ranked_first(seed: int) -> None:
    x, y = digit_features()
    labels, wrong = add_label_errors(y, 0.05, seed)
    findings = examine_features(x, [str(one) for one in labels]).label_errors
    assert findings
    first = set(findings.ranked_rows[: len(y) // 10])
    assert len(wrong & first) / len(wrong) >= 0.95
    called = {one.row for one in findings.suspects}
    assert len(wrong & called) / len(called) >= 0.85
    assert findings.estimated_count is not None
    assert 0.8 * len(wrong) <= findings.estimated_count <= 1.5 * len(wrong)
    right = sum(one.suggested_label == str(y[one.row]) for one in findings.suspects if one.row in wrong)
    assert right / len(wrong & called) >= 0.95


def test_label_errors_are_not_confirmed_by_near_duplicates() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 200)).astype(np.float32)  # nothing can be learnt but by heart
    labels = ["ab"[one] for one in random.integers(0, 2, 60)]
    copies = [x[2:3] + 1e-3 * number for number in range(1, 5)]
    findings = examine_features(np.concatenate([x, *copies]), [*labels, *labels[2:3] * 4])
    assert [group.rows for group in findings.near_duplicates] == [(2, 60, 61, 62, 63)]
    assert findings.label_errors
    assert (
        max(map(findings.label_errors.ranked_rows.index, findings.near_duplicates[0].rows)) < 40
    )  # alone they would be the surest of all


def test_label_errors_leave_confident_labels_alone() -> None:
    p = np.array([[0.45, 0.55], [0.4, 0.6], [0.45, 0.55], [0.05, 0.95], [0.02, 0.98], [0.98, 0.02]], np.float32)
    findings = label_errors.find_class_errors(p, np.array([0, 0, 0, 1, 1, 1]), "ab", np.arange(6))
    assert [one.row for one in findings.suspects] == [5]
    assert label_errors.confident_classes(p, np.array([0, 0, 0, 1, 1, 1])).tolist() == [0, -1, 0, 1, 1, 0]


def test_confusable_classes_are_found() -> None:
    x, y = digit_features()
    labels = [f"three-{row % 2}" if one == 3 else str(one) for row, one in enumerate(y)]
    findings = examine_features(x, labels).confusable_classes
    assert [one.labels for one in findings] == [("three-0", "three-1")]
    assert 0.3 < findings[0].auc < 0.7
    assert examine_features(x, [str(one) for one in y]).confusable_classes == ()


def test_confusable_classes_need_enough_samples() -> None:
    x, y = digit_features()
    rows = np.concatenate([np.flatnonzero(y == one)[:3] for one in range(10)])
    assert examine_features(x[rows], [str(y[row]) for row in rows]).confusable_classes == ()


def test_label_errors_leave_tiny_classes_alone() -> None:
    x, y = digit_features()
    labels = [str(one) for one in y]
    labels[0] = labels[1] = "rare"
    findings = examine_features(x, labels)
    assert findings.label_errors
    assert not {0, 1} & set(findings.label_errors.ranked_rows)
    assert any("'rare'" in one for one in findings.skipped_checks)


def test_label_errors_of_tags_are_found_one_by_one() -> None:
    x, y = digit_features()
    tags = [{str(one)} for one in y]
    random = np.random.default_rng(0)
    errors = {(int(row), str(random.integers(10))) for row in random.choice(len(y), 90, replace=False)}
    for row, tag in errors:
        tags[row] ^= {tag}
    findings = examine_features(x, [str(sorted(one)) for one in tags], Task.TAG)
    assert findings.label_errors
    suspects = {(one.row, one.suggested_label) for one in findings.label_errors.suspects}
    expected = {(row, f"not {tag}" if tag in tags[row] else tag) for row, tag in errors}
    assert len(suspects & expected) >= 0.75 * len(errors)
    first = {*findings.label_errors.ranked_rows[: len(y) // 10]}
    assert len({row for row, _ in errors} & first) >= 0.9 * len(errors)
    assert findings.confusable_classes == ()


def test_label_errors_of_numbers_rank_outliers_first() -> None:
    x, _ = digit_features()
    ink = x.sum(1)
    ink[5] += 300
    findings = examine_features(x, [f"{one:g}" for one in ink], Task.REGRESS)
    assert findings.label_errors
    assert findings.label_errors.ranked_rows[0] == findings.label_errors.suspects[0].row == 5
    assert findings.label_errors.suspects[0].label == f"{ink[5]:.4g}"
    assert findings.label_errors.estimated_count is None
    assert findings.label_counts is None


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["a"] * 20, Task.CLASSIFY),
        ([str(n) for n in range(20)], Task.CLASSIFY),
        (["no number"] * 20, Task.REGRESS),
        ([f'["{n}"]' for n in range(20)], Task.TAG),
    ],
)
def test_label_errors_are_omitted_with_a_reason(labels: list[str], task: Task) -> None:
    findings = examine_features(digit_features()[0][:20], labels, task)
    assert findings.label_errors is None
    assert findings.skipped_checks[0].startswith("label errors: ")


def test_label_errors_are_skipped_before_training_on_many_samples() -> None:
    x, y = digit_features()
    labels = [str(one) for one in y]
    findings = examine_features(x, labels, max_samples=1000)
    assert findings.label_errors is None
    assert findings.near_duplicates == ()
    assert "finetune check" in findings.skipped_checks[0]
    assert examine_features(x, labels, max_samples=2000).label_errors


def test_label_errors_with_constant_features_are_omitted() -> None:
    findings = examine_features(np.ones((30, 4), np.float32), ["a", "b"] * 15)
    assert "no difference" in findings.skipped_checks[0]
