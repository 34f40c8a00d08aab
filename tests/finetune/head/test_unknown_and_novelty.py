"""The novelty scores, their threshold, and bundles that answer "unknown"."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from finetune.data.task import Task
from finetune.head import unknown
from finetune.head.classify_and_tag import ClassifyChoice
from finetune.head.head_onnx import Head
from finetune.head.novelty_scores import Novelty, NoveltyScore
from finetune.head.unknown import (
    LabeledFeatures,
    auroc,
    fit_distance,
    fit_energy,
    fit_novelty,
    novelty_threshold,
    stratified_subsample,
)
from finetune.recipe import Recipe
from graft.bundle.open_bundle import open_bundle
from graft.bundle.replay import replay
from graft.errors import DatasetError, RecipeError, ReplayFailed
from graft.inputs.image import ImageInput
from graft.runtime.session import open_session
from tests.support.class_folders import COLORS, noisy
from tests.support.commands import RunCommand
from tests.support.finetune import fitted_heads
from tests.support.finetune.text_folders import open_and_replay, table, texts

CHOICE = ClassifyChoice(power=0.5, strength=0.1, temperature=1.2, val_loss=0.1)
D, K = 20, 5


def clusters(n: int = 400, k: int = K, seed: int = 0, noise: float = 0.3) -> LabeledFeatures:
    """Clouds of k classes around the first axes, of features of very different sizes, one constant."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % k
    x = (2 * np.eye(D)[y] + noise * random.normal(size=(n, D))) * np.logspace(-1, 1, D) + 5
    x[:, -1] = 7
    return LabeledFeatures(x.astype(np.float32), y.astype(np.intp), n)


def fit_clusters(share: float = 0.9, k: int = K) -> Novelty:
    return fit_novelty(clusters(k=k), clusters(k=k, seed=1), CHOICE, tuple("abcdefgh"[:k]), share)


def head_with(novelty: Novelty) -> Head[ClassifyChoice]:
    weights = np.random.default_rng(0).normal(size=(K, D)).astype(np.float32)
    return Head("logistic", "Softmax", weights, np.zeros(K, np.float32), CHOICE, 0, novelty)


def onnx_novelty(score: NoveltyScore, x: np.ndarray, opset: int = 17) -> np.ndarray:
    """The novelty that the ONNX file gives."""
    novelty = Novelty(score, 1.0, 1.0, 1.0, {}, ())
    answers = open_session(head_with(novelty).to_onnx(opset, 10)).run(None, {"features": x})
    assert [answer.dtype for answer in answers] == [np.float32] * 2
    assert answers[1].shape == (len(x),)
    return answers[1]


SCORES = {"distance": lambda: fit_distance(clusters()), "energy": lambda: fit_energy(clusters(), CHOICE, 1e-4)}


@pytest.mark.parametrize("opset", [17, 18, 20])
@pytest.mark.parametrize("kind", SCORES)
def test_novelty_onnx_equals_numpy(kind: str, opset: int) -> None:
    score, x = SCORES[kind](), clusters(seed=2).x
    expected = score(x)
    assert expected.std() > 0.01
    np.testing.assert_allclose(onnx_novelty(score, x, opset), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("size", [0, 1e6, -1e12, 1e30])
def test_novelty_is_finite_for_any_features(kind: str, size: float) -> None:
    assert np.isfinite(onnx_novelty(SCORES[kind](), np.full((2, D), size, np.float32))).all()


def test_distance_novelty_is_mahalanobis_along_discriminants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "COVARIANCE_SHRINKAGE", 1e-9)
    monkeypatch.setattr(unknown, "RESIDUAL_WEIGHT", 0.0)
    seen, new = clusters(noise=1.0), clusters(seed=3, noise=1.0).x[:, :-1].astype(np.float64)
    score = fit_distance(seen)
    assert score.discriminants.shape == (D, K - 1)
    assert not score.scale[-1]  # the constant feature
    means = np.stack([seen.x[seen.y == one].mean(0, dtype=np.float64) for one in range(K)])[:, :-1]
    within = seen.x[:, :-1] - means[seen.y]
    between = (means - means.mean(0)) @ np.linalg.inv(within.T @ within / (len(within) - K))  # [k,d]
    gram = np.linalg.pinv(between @ (means - means.mean(0)).T)
    off = np.einsum("id,ncd->nci", between, new[:, None] - means)  # [n,k,k]
    squares = np.einsum("nci,ij,ncj->nc", off, gram, off).min(1)
    np.testing.assert_allclose(score(clusters(seed=3, noise=1.0).x), np.sqrt(squares / (K - 1)), rtol=1e-3)


def test_novelty_of_an_unseen_class_is_higher() -> None:
    everything = clusters(k=K + 1)
    known = everything.y < K
    score = fit_distance(LabeledFeatures(everything.x[known], everything.y[known], 0))
    later = clusters(k=K + 1, seed=1)
    assert auroc(score(later.x[later.y < K]), score(later.x[later.y == K])) > 0.99


def test_novelty_grows_off_the_discriminants() -> None:
    seen = clusters()
    score = fit_distance(seen)
    usual = np.quantile(score(clusters(seed=1).x), 0.99)
    strange = seen.x.copy()
    strange[:, 12] += 60 * seen.x[:, 12].std()  # no class differs there
    assert (score(strange) > usual).all()


def test_energy_novelty_equals_the_heads_energy() -> None:
    seen = clusters()
    score = fit_energy(seen, CHOICE, 1e-5)
    head = fitted_heads.choose_and_refit(Task.CLASSIFY, seen.x, seen.y, *(clusters(seed=1).x, clusters(seed=1).y))
    logits = seen.x @ score.weights.T + score.bias
    assert (logits.argmax(1) == (seen.x @ head.weights.T + head.bias).argmax(1)).mean() > 0.99
    np.testing.assert_allclose(score(seen.x), -np.log(np.exp(logits).sum(1)), rtol=1e-4, atol=1e-4)


def test_auroc_equals_scikit_learn() -> None:
    random = np.random.default_rng(0)
    known, new = random.integers(0, 9, 50).astype(float), random.integers(3, 14, 30).astype(float)
    expected = roc_auc_score([0] * 50 + [1] * 30, np.concatenate([known, new]))
    assert auroc(known, new) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.95, 0.999])
def test_unknown_threshold_keeps_the_share_and_no_more(share: float) -> None:
    novelties = np.sort(np.random.default_rng(0).normal(size=200))
    at = novelty_threshold(novelties, share)
    assert share <= (novelties <= at).mean() < share + 1 / 200 + 1e-9
    assert np.abs(novelties - at).min() > 1e-4  # float32 may move a sample: none stands on the threshold itself


def test_unknown_threshold_keeps_the_validation_share_in_onnx() -> None:
    novelty = fit_clusters(0.9)
    fresh = clusters(seed=1)
    session = open_session(head_with(novelty).to_onnx(17, 8))
    assert (session.run(["novelty"], {"features": fresh.x})[0] <= novelty.threshold).mean() == novelty.coverage == 0.9


def test_novelty_score_never_sees_the_validation_part() -> None:
    seen, fresh = clusters(), clusters(seed=1)
    half = LabeledFeatures(fresh.x[:200], fresh.y[:200], 200)
    one, other = (fit_novelty(seen, each, CHOICE, tuple("abcde"), 0.9) for each in (fresh, half))
    assert one.threshold != other.threshold
    assert one.score.to_graph() == other.score.to_graph()


def test_novelty_trial_never_sees_its_held_out_class(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[LabeledFeatures] = []
    real = fit_distance
    monkeypatch.setattr(unknown, "fit_distance", lambda seen: real(fits.append(seen) or seen))
    seen = clusters(k=4)
    novelty = fit_novelty(seen, clusters(k=4, seed=1), CHOICE, tuple("abcd"), 0.9)
    assert novelty.excluded_classes == ("a", "b", "c", "d")
    held_out = [{*map(bytes, seen.x[seen.y == one])} for one in range(4)]
    for trial, strange in zip(fits[:4], held_out, strict=True):
        assert len(np.unique(trial.y)) == 3
        assert not strange & {*map(bytes, trial.x)}


def test_novelty_score_with_the_better_auroc_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = fit_clusters()
    areas = draw.auroc
    assert areas["distance"] is not None
    assert areas["energy"] is not None
    assert draw.score.kind == "distance"
    monkeypatch.setattr(unknown, "MIN_AUROC_GAIN", areas["energy"] - areas["distance"] - 0.001)
    won = fit_clusters()
    assert won.score.kind == "energy"
    assert (won.facts()["kind"], won.facts()["auroc"]) == ("energy", areas)


def test_novelty_of_two_classes_holds_none_out() -> None:
    novelty = fit_clusters(k=2)
    assert (novelty.score.kind, novelty.excluded_classes) == ("distance", ())
    assert novelty.auroc == {"distance": None, "energy": None}
    json.dumps(novelty.facts(), allow_nan=False)


def test_novelty_of_many_classes_holds_out_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[LabeledFeatures] = []
    real = fit_energy
    monkeypatch.setattr(unknown, "fit_energy", lambda seen, *others: real(fits.append(seen) or seen, *others))
    random = np.random.default_rng(0)
    y = np.arange(3000) % 60
    x = (random.normal(size=(60, D))[y] + 0.3 * random.normal(size=(3000, D))).astype(np.float32)
    novelty = fit_novelty(
        LabeledFeatures(x, y, 3000), LabeledFeatures(x[:600], y[:600], 600), CHOICE, tuple(map(str, range(60))), 0.9
    )
    assert len(novelty.excluded_classes) == unknown.MAX_HELD_OUT_CLASSES
    assert len(fits) == unknown.MAX_HELD_OUT_CLASSES
    assert max(seen.y.max() + 1 for seen in fits) < unknown.MAX_TRIAL_CLASSES
    assert max(len(seen.y) for seen in fits) <= unknown.MAX_TRIAL_SAMPLES


@pytest.mark.parametrize("each", [1, 2])
def test_novelty_works_with_few_samples_a_class(each: int) -> None:
    few = clusters(each * K)
    novelty = fit_novelty(few, clusters(K, seed=1), CHOICE, tuple("abcde"), 0.9)
    assert np.isfinite(novelty.score(clusters().x)).all()
    assert novelty.coverage >= 0.9


def test_novelty_refuses_constant_features() -> None:
    same = LabeledFeatures(np.ones((9, D), np.float32), (np.arange(9) % 3).astype(np.intp), 9)
    with pytest.raises(DatasetError, match="no difference"):
        fit_novelty(same, same, CHOICE, tuple("abc"), 0.9)


def test_novelty_head_is_deterministic() -> None:
    assert head_with(fit_clusters()).to_onnx(17, 8) == head_with(fit_clusters()).to_onnx(17, 8)


def test_stratified_subsample_has_every_class() -> None:
    y = np.array([0] * 1000 + [1] * 3 + [2] * 500)
    rows = stratified_subsample(y, 90)
    assert np.bincount(y[rows]).tolist() == [30, 3, 30]
    assert rows[0] == 0
    assert len(np.unique(rows)) == len(rows) == 63
    assert stratified_subsample(y, 5000).tolist() == list(range(len(y)))


# In a bundle


def test_bundle_with_unknown_is_trained_and_replayed(finetune: RunCommand, photos: Path) -> None:
    result = finetune(photos, "--unknown-at", "0.9", "--json")
    assert "validation samples stay known" in result.err
    bundle = open_and_replay(result.out)
    manifest = bundle.manifest
    facts = manifest.head["novelty"]
    assert list(facts) == ["kind", "threshold", "known", "unit", "auroc", "held_out"]
    assert facts["known"] >= 0.9
    assert facts["held_out"] == ["blue", "green", "red"]
    assert [(one.name, one.shape) for one in manifest.signature.outputs[1:]] == [
        ("scores", (-1, 3)),
        ("novelty", (-1,)),
    ]
    assert set(manifest.metrics["unknown"]) == {"known", "accuracy_known", "accuracy_unknown"}
    assert bundle.read_golden().scores.shape == (6, 4)
    report = bundle.layout.report.read_text()
    assert "Unknown samples" in report
    assert "Novelty of the test samples" in report


def test_unknown_share_is_printed(finetune: RunCommand, photos: Path) -> None:
    text = finetune(photos, "--unknown-at", "0.9").out
    assert "of them get a class" in text
    assert 'answered with "unknown"' in text
    assert "get a class" not in finetune(photos).out


def test_replay_covers_novelty(finetune: RunCommand, photos: Path) -> None:
    bundle = open_bundle(open_and_replay(finetune(photos, "--unknown-at", "0.9", "--json").out).layout.root)
    trunk, head = open_session(bundle.layout.trunk), open_session(bundle.layout.head)

    def ask(moved: float) -> None:
        def answers(features: np.ndarray) -> np.ndarray:
            scores, novelty = head.run(None, {"features": features})
            return np.column_stack([scores, novelty * np.float32(1 + moved)])

        inputs = ImageInput.from_spec(bundle.manifest.input)
        replay(bundle.read_golden(), bundle.manifest, inputs, lambda arrays: trunk.run(None, dict(arrays))[0], answers)

    ask(0)
    for moved in (1.0, float("nan")):
        with pytest.raises(ReplayFailed, match="novelty is off by"):
            ask(moved)


def test_unknown_is_off_by_default(finetune: RunCommand, photos: Path) -> None:
    bundle = open_and_replay(finetune(photos, "--json").out)
    assert "novelty" not in bundle.manifest.head
    assert "unknown" not in bundle.manifest.metrics
    assert len(bundle.manifest.signature.outputs) == 2
    assert "Unknown samples" not in bundle.layout.report.read_text()


def test_unknown_is_refused_for_other_tasks(finetune: RunCommand, tmp_path: Path) -> None:
    path = table(tmp_path, "text,price", [(text, str(n)) for n, (text, _) in enumerate(texts(40))])
    result = finetune(path, "--unknown-at", "0.9")
    assert result.code == 1
    assert "--unknown-at is for --task classify" in result.err
    assert "regress" in result.err


@pytest.mark.parametrize("name", ["unknown", "Unknown", "ＵＮＫＮＯＷＮ"])
def test_class_named_unknown_is_refused(finetune: RunCommand, tmp_path: Path, name: str) -> None:
    for at, label in enumerate(("red", name)):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.png").write_bytes(noisy(COLORS["red" if at else "blue"], number))
    result = finetune(tmp_path / "photos", "--unknown-at", "0.9")
    assert result.code == 1
    assert f"a class called '{name}'" in result.err
    assert not (tmp_path / "models").exists()
    assert finetune(tmp_path / "photos").code == 0


def test_unknown_share_must_be_between_zero_and_one() -> None:
    for share in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(RecipeError, match="--unknown-at is"):
            Recipe(data="x", unknown_at=share)
