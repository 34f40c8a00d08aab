import numpy as np
import onnx
import pytest
from sklearn.linear_model import LogisticRegression

from finetune.data.task import Task
from finetune.head import FitData, Head, read_onnx_versions
from finetune.head.classify_and_tag import CLASSIFY_STRENGTHS, ClassifyChoice
from finetune.head.fit import CLASSIFY_FITTER
from finetune.head.standardize import MIN_RELATIVE_DEVIATION, Scaler
from finetune.head.temperature import fit_temperature
from graft.errors import DatasetError
from graft.runtime.session import open_session
from tests.support.fakes import OPSET, tiny_trunk_bytes
from tests.support.finetune.fitted_heads import choose_and_refit
from tests.support.finetune.synthetic_features import gaussian_clusters


def scores(data: bytes, x: np.ndarray) -> np.ndarray:
    return open_session(data).run(None, {"features": x})[0]


def of_clouds(k: int = 3, d: int = 12, n: int = 240):
    return choose_and_refit(Task.CLASSIFY, *gaussian_clusters(n, d, k), *gaussian_clusters(n // 2, d, k, seed=1))


@pytest.mark.parametrize(("k", "d"), [(3, 12), (2, 12), (3, 900)], ids=["plain", "two classes", "wide"])
def test_folded_head_equals_scikit_learn_logistic_regression(k: int, d: int) -> None:
    (x, y), (x_val, y_val) = gaussian_clusters(60, d, k), gaussian_clusters(30, d, k, seed=1)
    head = choose_and_refit(Task.CLASSIFY, x, y, x_val, y_val)
    both, y_both = np.concatenate([x, x_val]), np.concatenate([y, y_val])
    scaler = Scaler.from_features(both, head.choice.power)
    # The penalty for each sample that was chosen, on all samples; temperature 1 is sklearn's own answer. Of two
    # classes sklearn has one row, the difference of ours, whose square is twice that of both.
    rows = 2 if k == 2 else 1
    model = LogisticRegression(C=rows * head.choice.strength * len(y) / len(y_both), max_iter=1000, tol=1e-6)
    model.fit(scaler(both), y_both)
    logits = model.decision_function(scaler(both)).reshape(len(both), -1) / head.choice.temperature
    logits = np.hstack([np.zeros_like(logits), logits]) if k == 2 else logits
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    got = scores(head.to_onnx(OPSET, 8), both)
    assert got.dtype == np.float32
    assert got.shape == (len(both), k)
    # L-BFGS stops within its tolerance, not at the same last digit.
    assert np.abs(got - expected).max() < 5e-3


def test_folding_the_standardization_is_exact() -> None:
    x, y = gaussian_clusters()
    scaler = Scaler.from_features(x, 1.0)
    model = LogisticRegression(max_iter=1000).fit(scaler(x), y)
    choice = ClassifyChoice(power=1, strength=1, temperature=1, val_loss=0)
    head = Head.from_standardized("logistic", "Softmax", scaler, model.coef_, model.intercept_, choice)
    # Features at 3 ± 0.01 cost float32 two of its seven digits.
    assert np.abs(scores(head.to_onnx(OPSET, 8), x) - model.predict_proba(scaler(x))).max() < 5e-5


def test_classify_head_is_deterministic() -> None:
    assert of_clouds().to_onnx(OPSET, 8) == of_clouds().to_onnx(OPSET, 8)


def test_nearly_constant_features_get_no_weight() -> None:
    head = of_clouds()
    assert head.dropped_features == 2
    assert not head.weights[:, [3, 4]].any()
    assert head.weights[:, [0, 1, 2]].all()
    assert np.abs(head.weights).max() < 1 / MIN_RELATIVE_DEVIATION


def test_regularization_strength_is_chosen_on_validation() -> None:
    x, y = gaussian_clusters(60, d=400)
    honest = choose_and_refit(Task.CLASSIFY, x, y, *gaussian_clusters(60, d=400, seed=1))
    fooled = choose_and_refit(Task.CLASSIFY, x, y, x, y)  # as if the train part could tell
    assert honest.choice.strength < fooled.choice.strength
    assert honest.choice.val_loss > fooled.choice.val_loss


def test_constant_features_are_refused() -> None:
    x, y = np.ones((9, 5), np.float32), np.arange(9) % 3
    with pytest.raises(DatasetError, match="no difference"):
        choose_and_refit(Task.CLASSIFY, x, y, x, y)


def test_temperature_calibration_corrects_overconfident_logits() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = np.array([random.choice(3, p=row) for row in p])
    assert fit_temperature(logits * 4, y)[0] == pytest.approx(4, rel=0.1)
    assert fit_temperature(logits / 4, y)[0] == pytest.approx(0.25, rel=0.1)


def test_temperature_stays_finite_on_perfect_validation() -> None:
    logits = np.eye(3)[np.arange(12) % 3] * 9
    temperature, loss = fit_temperature(logits, np.arange(12) % 3)
    sure = 1 / (1 + 2 * np.exp(-9 / temperature))
    assert 0.9 < sure < 0.99
    assert loss > 0


def test_head_has_the_opset_of_its_trunk(tmp_path) -> None:
    path = tmp_path / "trunk.onnx"
    path.write_bytes(tiny_trunk_bytes())
    assert read_onnx_versions(path) == (OPSET, 8)
    model = onnx.load_from_string(of_clouds().to_onnx(*read_onnx_versions(path)))
    assert (model.opset_import[0].version, model.ir_version) == (OPSET, 8)
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Softmax"]


def test_regularization_path_ends_once_it_no_longer_helps() -> None:
    """All is noise: the strongest penalty is best, and the weak ones are not tried."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(400, 12)).astype(np.float32), np.arange(400) % 3
    tried = list(CLASSIFY_FITTER.candidates(FitData(x, y, x[::-1].copy(), y), CLASSIFY_FITTER.grid))
    assert len(tried) < 2 * len(CLASSIFY_STRENGTHS)
    assert min(tried, key=lambda one: one.val_loss).strength < 1e-2
