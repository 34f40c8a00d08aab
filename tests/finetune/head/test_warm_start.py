"""Warm start: a refitted head starts from the weights of an earlier one."""

import numpy as np
import pytest

from finetune.data.task import Task
from finetune.head.standardize import Scaler
from tests.support.finetune.fitted_heads import choose_and_refit
from tests.support.finetune.synthetic_features import gaussian_clusters, head_scores, train_and_val


@pytest.mark.parametrize("large", [False, True], ids=["in memory", "in chunks"])
@pytest.mark.parametrize(("task", "k"), [(Task.CLASSIFY, 3), (Task.CLASSIFY, 2), (Task.TAG, 3)])
def test_warm_start_head_leads_to_the_same_answers(task: Task, k: int, large: bool, in_chunks) -> None:
    if large:
        in_chunks()
    data = train_and_val(task, k)
    first = choose_and_refit(task, *data)
    second = choose_and_refit(task, *data, start=first)
    # L-BFGS stops at its tolerance, which another start reaches from another side.
    assert np.abs(head_scores(first, data[2]) - head_scores(second, data[2])).max() < 3e-3


def test_unfolded_head_equals_the_folded_one() -> None:
    """The scaler's mean and scale cancel exactly; features that it drops have no part in either."""
    data = train_and_val(Task.CLASSIFY)
    head = choose_and_refit(Task.CLASSIFY, *data)
    scaler = Scaler.from_features(data[0], 0.5)
    w, bias = scaler.unfold_weights(head.weights, head.bias)
    kept = scaler.feature_mask
    folded = data[2].astype(np.float64)[:, kept] @ head.weights.astype(np.float64)[:, kept].T + head.bias
    np.testing.assert_allclose(scaler(data[2]) @ w.T + bias, folded, rtol=1e-9, atol=1e-9 * np.abs(folded).max())


def test_warm_start_head_works_for_wide_features() -> None:
    data = (*gaussian_clusters(60, 900), *gaussian_clusters(30, 900, seed=1))
    first = choose_and_refit(Task.CLASSIFY, *data)
    second = choose_and_refit(Task.CLASSIFY, *data, start=first)
    assert np.abs(head_scores(first, data[2]) - head_scores(second, data[2])).max() < 5e-3
