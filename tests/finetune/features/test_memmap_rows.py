"""Features that lie in a file and heads fitted chunk by chunk: the same answers as in memory."""

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from finetune.data.load import load_dataset
from finetune.data.task import Task
from finetune.features import memmap_rows
from finetune.features.extract import extract_features
from finetune.head import FitData
from finetune.head.classify_and_tag import CLASSIFY_STRENGTHS, mean_class_weights
from finetune.head.fit import CLASSIFY_FITTER
from finetune.head.standardize import Scaler, compute_logits, standardize
from finetune.pipeline import run_pipeline
from finetune.plan import make_plan
from finetune.recipe import Recipe
from graft.progress import SilentProgress
from graft.runtime import cpu_threads
from graft.runtime.session import open_session
from graft.storage.cache_root import cache_root
from tests.support.fakes import OPSET
from tests.support.finetune.fitted_heads import fitted
from tests.support.finetune.synthetic_features import clouds, world
from zoo import Precision, get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.trunks.trunk import Trunk


@pytest.fixture
def in_chunks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on everything is large, and a chunk is 100 rows of 12 features."""

    def begin() -> None:
        monkeypatch.setattr(memmap_rows, "MAX_BYTES_IN_MEMORY", 0)
        monkeypatch.setattr(memmap_rows, "CHUNK_BYTES", 100 * 12 * 4)

    return begin


def parts(task: Task, k: int = 3) -> tuple[np.ndarray, ...]:
    if task is Task.CLASSIFY:
        return (*clouds(900, 12, k), *clouds(330, 12, k, seed=1))
    (x, tags, number), (x_val, tags_val, number_val) = world(900), world(330, seed=1)
    return (x, tags, x_val, tags_val) if task is Task.TAG else (x, number, x_val, number_val)


def scores(head, x: np.ndarray) -> np.ndarray:
    return open_session(head.to_onnx(OPSET, 8)).run(None, {"features": x})[0]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("task", "k"), [(Task.CLASSIFY, 3), (Task.CLASSIFY, 2), (Task.TAG, 3), (Task.REGRESS, 1)])
def test_chunked_head_equals_head_in_memory(task: Task, k: int, weighted: bool, in_chunks) -> None:
    data = parts(task, k)
    weights = np.random.default_rng(0).uniform(0.2, 1.8, 900).astype(np.float32) if weighted else None
    small = fitted(task, *data, weights=weights)
    in_chunks()
    large = fitted(task, *data, weights=weights)
    first, second = scores(small, data[2]), scores(large, data[2])
    assert np.abs(first - second).max() < (2e-3 if task is Task.REGRESS else 5e-4)
    assert large.choice.power == small.choice.power
    assert large.dropped_features == small.dropped_features


def test_chunked_head_does_not_depend_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch, in_chunks) -> None:
    in_chunks()
    heads = []
    for cores in (1, 5):
        monkeypatch.setattr(cpu_threads, "available_cores", lambda cores=cores: cores)
        heads.append(fitted(Task.CLASSIFY, *parts(Task.CLASSIFY)).to_onnx(OPSET, 8))
    assert heads[0] == heads[1]


def test_chunked_standardization_equals_standardization_in_memory(in_chunks) -> None:
    x = clouds(900)[0]
    whole = Scaler.from_features(x, 0.5)
    in_chunks()
    scaler, z = standardize(0.5, x[:250], x[250:])
    assert z.shape == (900, 10)
    assert len(z.chunks) == 10
    assert np.array_equal(scaler.kept_mask, whole.kept_mask)
    assert np.allclose(scaler.mean, whole.mean, rtol=1e-12)
    assert np.allclose(scaler.scale, whole.scale, rtol=1e-9)
    w, bias = np.random.default_rng(0).normal(size=(2, 10)), np.array([1.0, -1.0])
    assert np.abs(compute_logits(z, w, bias) - (whole(x) @ w.T + bias)).max() < 1e-4


def test_regularization_path_ends_once_it_no_longer_helps() -> None:
    """All is noise: the strongest penalty is best, and the weak ones are not tried."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(400, 12)).astype(np.float32), np.arange(400) % 3
    tried = list(CLASSIFY_FITTER.candidates(FitData(x, y, x[::-1].copy(), y), CLASSIFY_FITTER.grid))
    assert len(tried) < 2 * len(CLASSIFY_STRENGTHS)
    assert min(tried, key=lambda one: one.val_loss).strength < 1e-2


def test_sample_weights_equal_scikit_learn() -> None:
    weights = np.random.default_rng(0).uniform(0.1, 2, 900).astype(np.float32)
    x, y, x_val, y_val = parts(Task.TAG)
    head = fitted(Task.TAG, x, y, x_val, y_val, weights=weights)
    both, each = np.concatenate([x, x_val]), np.concatenate([weights, np.ones(330)])
    z = Scaler.from_features(both, head.choice.power)(both)
    model = LogisticRegression(C=head.choice.strength * 900 / 1230, max_iter=2000, tol=1e-8)
    model.fit(z, np.concatenate([y, y_val])[:, 0], each)
    expected = 1 / (1 + np.exp(-model.decision_function(z) / head.choice.temperature))
    assert np.abs(scores(head, both)[:, 0] - expected).max() < 2e-3

    x, y, x_val, y_val = parts(Task.REGRESS)
    head = fitted(Task.REGRESS, x, y, x_val, y_val, weights=weights)
    z = Scaler.from_features(both, head.choice.power)(both)
    model = Ridge(alpha=head.choice.penalty * each.sum()).fit(z, np.concatenate([y, y_val]), each)
    assert np.abs(scores(head, both)[:, 0] - model.predict(z)).max() < 1e-2


def test_class_weights_apply_to_validation_samples() -> None:
    assert mean_class_weights(np.array([0, 1, 1, 0]), np.array([3, 1, 0.5, 3], np.float32)).tolist() == [
        3,
        0.75,
    ]
    x, y, x_val, y_val = parts(Task.CLASSIFY)
    weights = np.array([0.2, 1, 3], np.float32)
    rows = FitData(x, y, x_val, y_val, weights[y])
    choice = CLASSIFY_FITTER.choose(rows)
    got = scores(CLASSIFY_FITTER.refit(choice, rows), x_val)
    both, y_both = np.concatenate([x, x_val]), np.concatenate([y, y_val])
    z = Scaler.from_features(both, choice.power)
    model = LogisticRegression(C=choice.strength * 900 / 1230, max_iter=2000, tol=1e-8)
    logit = model.fit(z(both), y_both, weights[y_both]).decision_function(z(x_val)) / choice.temperature
    expected = np.exp(logit) / np.exp(logit).sum(1, keepdims=True)
    assert np.abs(got - expected).max() < 5e-3


@pytest.mark.parametrize("large", [False, True], ids=["in memory", "in chunks"])
@pytest.mark.parametrize(("task", "k"), [(Task.CLASSIFY, 3), (Task.CLASSIFY, 2), (Task.TAG, 3)])
def test_warm_start_head_leads_to_the_same_answers(task: Task, k: int, large: bool, in_chunks) -> None:
    if large:
        in_chunks()
    data = parts(task, k)
    first = fitted(task, *data)
    second = fitted(task, *data, start=first)
    assert np.abs(scores(first, data[2]) - scores(second, data[2])).max() < 3e-3
    # What is unfolded does what the folded one did.
    scaler = Scaler.from_features(data[0], 0.5)
    w, bias = scaler.unfold_weights(first.weights, first.bias)
    told = scaler(data[2]) @ w.T + bias
    assert np.abs(told - (data[2] @ first.weights.T + first.bias))[:, :].max() < 0.05 * np.abs(told).max()


def test_warm_start_head_works_for_wide_features() -> None:
    data = (*clouds(60, 900), *clouds(30, 900, seed=1))
    first = fitted(Task.CLASSIFY, *data)
    second = fitted(Task.CLASSIFY, *data, start=first)
    assert np.abs(scores(first, data[2]) - scores(second, data[2])).max() < 5e-3


def test_memmap_rows_of_large_features_lie_in_a_nameless_file(in_chunks) -> None:
    in_chunks()
    x = memmap_rows.allocate_rows(1000, 12)
    assert isinstance(x, np.memmap)
    x[:] = np.arange(12_000).reshape(1000, 12)
    wanted = np.random.default_rng(0).permutation(1000)[:777]
    taken = memmap_rows.take_rows(x, wanted)
    assert isinstance(taken, np.memmap)
    assert np.array_equal(taken, np.asarray(x)[wanted])
    assert list((cache_root() / "scratch").iterdir()) == []


def test_memmap_rows_are_not_used_for_small_features() -> None:
    x = memmap_rows.allocate_rows(100, 12)
    assert type(x) is type(memmap_rows.take_rows(x, np.arange(5))) is np.ndarray
    assert not (cache_root() / "scratch").exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at the open files of Linux")
def test_memmap_rows_allocate_their_disk_space(in_chunks) -> None:
    in_chunks()
    x = memmap_rows.allocate_rows(1000, 12)
    opened = [path for path in Path("/proc/self/fd").iterdir() if "/scratch/" in str(path.resolve())]
    assert [path.stat().st_blocks * 512 >= x.nbytes for path in opened] == [True]


def test_memmap_rows_fall_back_to_memory_on_a_full_disk(in_chunks) -> None:
    """A full disk is told when room is asked for; a write into a mapped file would kill the process."""
    in_chunks()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        x = memmap_rows.allocate_rows(1000, 12)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    x[:] = 1
    assert type(x) is np.ndarray


def test_memmap_rows_fall_back_to_memory_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_chunks
) -> None:
    in_chunks()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    assert type(memmap_rows.allocate_rows(1000, 12)) is np.ndarray


def test_memmap_rows_leave_no_gap_for_skipped_samples(photos: Path, in_chunks) -> None:
    for name in ("red/00.png", "blue/03.png"):
        (photos / name).write_bytes(b"")
    trunk = Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.FP32)
    small = extract_features(trunk, load_dataset(str(photos)), 0.5, SilentProgress())
    in_chunks()
    large = extract_features(trunk, load_dataset(str(photos)), 0.5, SilentProgress())
    assert isinstance(large.x, np.memmap)
    assert large.samples == small.samples
    assert len(large.samples) == 22
    assert np.array_equal(large.x, small.x)
    assert np.array_equal(large.x[5], trunk(trunk.inputs.batch([trunk.inputs(large.samples[5].read())]))[0])


def test_chunked_bundle_equals_bundle_in_memory(photos: Path, in_chunks) -> None:
    small = run_pipeline(make_plan(Recipe(data=str(photos), models=photos.parent / "models")))
    in_chunks()
    large = run_pipeline(make_plan(Recipe(data=str(photos), models=photos.parent / "models")))
    first, second = (made.bundle.read_golden().scores for made in (small, large))
    assert np.abs(first - second).max() < 1e-3
