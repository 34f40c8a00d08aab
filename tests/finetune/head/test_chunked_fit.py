"""Heads fitted chunk by chunk: the same answers as in memory."""

import numpy as np
import pytest

from finetune.data.task import Task
from finetune.head.standardize import Scaler, compute_logits, standardize
from graft.runtime import cpu_threads
from tests.support.fakes import OPSET
from tests.support.finetune.fitted_heads import choose_and_refit
from tests.support.finetune.synthetic_features import gaussian_clusters, head_scores, train_and_val


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("task", "k"), [(Task.CLASSIFY, 3), (Task.CLASSIFY, 2), (Task.TAG, 3), (Task.REGRESS, 1)])
def test_chunked_head_equals_head_in_memory(task: Task, k: int, weighted: bool, in_chunks) -> None:
    data = train_and_val(task, k)
    weights = np.random.default_rng(0).uniform(0.2, 1.8, 900).astype(np.float32) if weighted else None
    small = choose_and_refit(task, *data, weights=weights)
    in_chunks()
    large = choose_and_refit(task, *data, weights=weights)
    first, second = head_scores(small, data[2]), head_scores(large, data[2])
    # L-BFGS stops at its tolerance, so two orders of summation differ; a regression is in units of 20.
    assert np.abs(first - second).max() < (2e-3 if task is Task.REGRESS else 5e-4)
    assert large.choice.power == small.choice.power
    assert large.dropped_features == small.dropped_features


def test_chunked_head_does_not_depend_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch, in_chunks) -> None:
    in_chunks()
    heads = []
    for cores in (1, 5):
        monkeypatch.setattr(cpu_threads, "available_cores", lambda cores=cores: cores)
        heads.append(choose_and_refit(Task.CLASSIFY, *train_and_val(Task.CLASSIFY)).to_onnx(OPSET, 8))
    assert heads[0] == heads[1]


def test_chunked_standardization_equals_standardization_in_memory(in_chunks) -> None:
    x = gaussian_clusters(900)[0]
    whole = Scaler.from_features(x, 0.5)
    in_chunks()
    scaler, z = standardize(0.5, x[:250], x[250:])
    assert z.shape == (900, 10)
    assert len(z.chunks) == 10
    assert np.array_equal(scaler.feature_mask, whole.feature_mask)
    assert np.allclose(scaler.mean, whole.mean, rtol=1e-12)
    assert np.allclose(scaler.scale, whole.scale, rtol=1e-9)
    w, bias = np.random.default_rng(0).normal(size=(2, 10)), np.array([1.0, -1.0])
    assert np.abs(compute_logits(z, w, bias) - (whole(x) @ w.T + bias)).max() < 1e-4
