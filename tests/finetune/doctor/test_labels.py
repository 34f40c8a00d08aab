import numpy as np
import pytest

from finetune.doctor import crossval, suspects
from finetune.heads.scaler import Scaler
from finetune.tasks import Task
from tests.finetune.doctor.digits import contents, drawings, flipped, looked_at


def test_a_fold_has_a_share_of_every_stratum_and_keeps_copies_together() -> None:
    names = [bytes([n // 2]) * 32 for n in range(200)]  # every content twice
    strata = ["ab"[n // 2 % 2] for n in range(200)]
    fold = crossval.folds(strata, names)
    assert (fold[::2] == fold[1::2]).all()
    for stratum in "ab":
        counts = np.bincount(fold[np.array(strata) == stratum], minlength=crossval.FOLDS)
        assert set(counts.tolist()) == {20}


@pytest.mark.parametrize("n", [25, 400])  # far fewer samples than features, and more
def test_no_sample_has_a_say_in_its_own_answer(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossval, "PENALTIES", (0.3,))
    x, y = drawings()
    x, targets = x[:n], np.eye(10, dtype=np.float32)[y[:n]]
    fold = crossval.folds([str(one) for one in y[:n]], contents(n))
    before = crossval.unseen(x, targets, fold)
    for f in range(crossval.FOLDS):
        other = targets.copy()
        other[fold == f] = np.roll(other[fold == f], 1, axis=1)
        after = crossval.unseen(x, other, fold)
        np.testing.assert_allclose(after[fold == f], before[fold == f], atol=1e-4)
        assert np.abs(after - before)[fold != f].max() > 1e-3  # the others did hear of it


def test_answers_are_ridge_regressions_on_the_other_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import Ridge

    monkeypatch.setattr(crossval, "PENALTIES", (0.3,))
    x, y = drawings()
    x, y = x[:300], y[:300]
    fold = crossval.folds([str(one) for one in y], contents(300))
    answers = crossval.unseen(x, np.eye(10, dtype=np.float32)[y], fold)
    z = Scaler.of(x, crossval.POWER)(x)
    for f in range(crossval.FOLDS):
        model = Ridge(alpha=0.3 * (fold != f).sum()).fit(z[fold != f], np.eye(10)[y[fold != f]])
        np.testing.assert_allclose(answers[fold == f], model.predict(z[fold == f]), atol=1e-5)


def test_many_samples_get_the_same_answers_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = drawings()
    targets = np.eye(10, dtype=np.float32)[y]
    fold = crossval.folds([str(one) for one in y], contents(len(y)))
    whole = crossval.unseen(x, targets, fold)
    monkeypatch.setattr("finetune.rows.LARGE", 0)
    monkeypatch.setattr("finetune.rows.CHUNK", 4 * 64 * 100)
    np.testing.assert_allclose(crossval.unseen(x, targets, fold), whole, atol=1e-4)


def test_confident_learning_is_cleanlabs() -> None:
    """Thirty probabilities, and what cleanlab 2.9 says of them: find_label_issues and num_label_issues."""
    random, y = np.random.default_rng(5), np.arange(30) % 3
    logits = random.normal(size=(30, 3))
    logits[np.arange(30), y] += 2
    logits[[3, 10, 20]] = logits[[4, 11, 18]]
    p = np.exp(logits)
    p = (p / p.sum(1, keepdims=True)).round(4)
    found = suspects.classes((p / p.sum(1, keepdims=True)).astype(np.float32), y, "abc", np.arange(30))
    assert sorted(one.row for one in found.found) == [3, 10]
    assert found.estimated == 3
    assert found.order[:8] == (3, 10, 8, 20, 26, 17, 18, 27)


@pytest.mark.parametrize("seed", range(3))
def test_planted_label_errors_are_ranked_first(seed: int) -> None:
    x, y = drawings()
    labels, wrong = flipped(y, 0.05, seed)
    found = looked_at(x, [str(one) for one in labels]).suspects
    assert found
    first = set(found.order[: len(y) // 10])
    assert len(wrong & first) / len(wrong) >= 0.95
    called = {one.row for one in found.found}
    assert len(wrong & called) / len(called) >= 0.85
    assert found.estimated is not None
    assert 0.8 * len(wrong) <= found.estimated <= 1.5 * len(wrong)
    right = sum(one.suggested == str(y[one.row]) for one in found.found if one.row in wrong)
    assert right / len(wrong & called) >= 0.95


def test_a_copy_does_not_vouch_for_a_label() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 200)).astype(np.float32)  # nothing can be learnt but by heart
    labels = ["ab"[one] for one in random.integers(0, 2, 60)]
    copies = [x[2:3] + 1e-3 * number for number in range(1, 5)]
    found = looked_at(np.concatenate([x, *copies]), [*labels, *labels[2:3] * 4])
    assert [group.rows for group in found.near] == [(2, 60, 61, 62, 63)]
    assert found.suspects
    assert max(map(found.suspects.order.index, found.near[0].rows)) < 40  # alone they would be the surest of all


def test_a_label_that_is_sure_enough_is_not_suspect_whatever_else_is_surer() -> None:
    p = np.array([[0.45, 0.55], [0.4, 0.6], [0.45, 0.55], [0.05, 0.95], [0.02, 0.98], [0.98, 0.02]], np.float32)
    found = suspects.classes(p, np.array([0, 0, 0, 1, 1, 1]), "ab", np.arange(6))
    assert [one.row for one in found.found] == [5]
    assert suspects.confident(p, np.array([0, 0, 0, 1, 1, 1])).tolist() == [0, -1, 0, 1, 1, 0]


def test_one_class_in_two_names_is_a_pair_of_twins() -> None:
    x, y = drawings()
    labels = [f"three-{row % 2}" if one == 3 else str(one) for row, one in enumerate(y)]
    found = looked_at(x, labels).twins
    assert [one.labels for one in found] == [("three-0", "three-1")]
    assert 0.3 < found[0].auc < 0.7
    assert looked_at(x, [str(one) for one in y]).twins == ()


def test_few_samples_accuse_no_class() -> None:
    x, y = drawings()
    rows = np.concatenate([np.flatnonzero(y == one)[:3] for one in range(10)])
    assert looked_at(x[rows], [str(y[row]) for row in rows]).twins == ()


def test_classes_of_one_or_two_samples_are_left_alone() -> None:
    x, y = drawings()
    labels = [str(one) for one in y]
    labels[0] = labels[1] = "rare"
    found = looked_at(x, labels)
    assert found.suspects
    assert not {0, 1} & set(found.suspects.order)
    assert any("'rare'" in one for one in found.omitted)


def test_tags_are_looked_at_one_by_one() -> None:
    x, y = drawings()
    tags = [{str(one)} for one in y]
    random = np.random.default_rng(0)
    planted = {(int(row), str(random.integers(10))) for row in random.choice(len(y), 90, replace=False)}
    for row, tag in planted:
        tags[row] ^= {tag}
    found = looked_at(x, [str(sorted(one)) for one in tags], Task.TAG)
    assert found.suspects
    told = {(one.row, one.suggested) for one in found.suspects.found}
    wanted = {(row, f"not {tag}" if tag in tags[row] else tag) for row, tag in planted}
    assert len(told & wanted) >= 0.75 * len(planted)
    first = {*found.suspects.order[: len(y) // 10]}
    assert len({row for row, _ in planted} & first) >= 0.9 * len(planted)
    assert found.twins == ()


def test_numbers_that_are_far_off_come_first() -> None:
    x, _ = drawings()
    ink = x.sum(1)
    ink[5] += 300
    found = looked_at(x, [f"{one:g}" for one in ink], Task.REGRESS)
    assert found.suspects
    assert found.suspects.order[0] == found.suspects.found[0].row == 5
    assert found.suspects.found[0].label == f"{ink[5]:.4g}"
    assert found.suspects.estimated is None
    assert found.balance is None


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["a"] * 20, Task.CLASSIFY),
        ([str(n) for n in range(20)], Task.CLASSIFY),
        (["no number"] * 20, Task.REGRESS),
        ([f'["{n}"]' for n in range(20)], Task.TAG),
    ],
)
def test_what_cannot_be_learnt_is_said(labels: list[str], task: Task) -> None:
    found = looked_at(drawings()[0][:20], labels, task)
    assert found.suspects is None
    assert found.omitted[0].startswith("label errors: ")


def test_before_training_many_samples_get_only_a_glance() -> None:
    x, y = drawings()
    labels = [str(one) for one in y]
    found = looked_at(x, labels, most=1000)
    assert found.suspects is None
    assert found.near == ()
    assert "finetune check" in found.omitted[0]
    assert looked_at(x, labels, most=2000).suspects


def test_features_without_any_difference_are_no_crash() -> None:
    found = looked_at(np.ones((30, 4), np.float32), ["a", "b"] * 15)
    assert "no difference" in found.omitted[0]
