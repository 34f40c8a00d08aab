"""Hyper-parameter tuning: seeded, evaluated on the validation part, kept only where it is better."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from finetune.data.dataset import SplitPart
from finetune.data.split import Split
from finetune.data.task import Task
from finetune.head import FitData, Grid
from finetune.head.fit import CLASSIFY_FITTER, HEAD_FITTERS, HeadOptions, refit_on_train_only, select_head
from finetune.head.tune import HeadSearchSpace, SearchParameter, find_best_trial
from graft.progress import SilentProgress
from tests.support.commands import RunCommand
from tests.support.listener import Listener


@dataclass
class Bowl:
    """A search space whose optimum is at x = 1, y = 100."""

    subject = "a bowl"
    parameters = (SearchParameter("x", -2.0, 2.0), SearchParameter("y", 1e-4, 1e4, log=True))

    def evaluate(self, point: Mapping[str, float]) -> tuple[float, str]:
        x, y = point["x"], np.log10(point["y"])
        return float((x - 1) ** 2 + (y - 2) ** 2), f"{x:.1f}"


def scaled_clusters(n: int = 150, d: int = 8, k: int = 3, rare: int = 0) -> tuple[np.ndarray, np.ndarray, Split]:
    """Features whose scales differ a hundredfold, classes and parts; of the last class only `rare` samples if asked."""
    random = np.random.default_rng(0)
    y = np.arange(n) % k
    if rare:
        y[np.flatnonzero(y == k - 1)[rare:]] = 0
    means = random.normal(size=(k, d))
    x = (means[y] + random.normal(size=(n, d))) * np.logspace(-1, 1, d)
    parts = np.array(["train", "val", "train", "test", "train"])[np.arange(n) // k % 5]
    return x.astype(np.float32), y, Split(parts, "made")


def test_tune_search_is_seeded_and_finds_a_good_point() -> None:
    trials = [find_best_trial(Bowl(), 60, seed, SilentProgress()) for seed in (0, 0, 1)]
    assert trials[0] == trials[1]
    assert trials[0].point != trials[2].point
    assert trials[0].value < 0.3
    assert trials[0].outcome == f"{trials[0].point['x']:.1f}"


def test_tune_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    find_best_trial(Bowl(), 3, 0, SilentProgress())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.TAG, Task.REGRESS])
def test_tune_result_is_no_worse_on_validation(task: Task) -> None:
    x, classes, parts = scaled_clusters()
    y = {Task.CLASSIFY: classes, Task.TAG: np.eye(3, dtype=bool)[classes], Task.REGRESS: classes + x[:, 0] ** 2}[task]
    listener, options = Listener(), HeadOptions(trials=12, seed=3)
    usual = select_head(task, x, y, parts, HeadOptions(), SilentProgress())
    tuned = select_head(task, x, y, parts, options, listener)
    facts, loss = tuned.facts["tuned"], HEAD_FITTERS[task].loss_field
    assert facts["trials"] == 12
    assert facts["usual"] == getattr(usual.head.choice, loss)
    assert getattr(tuned.head.choice, loss) == min(facts["value"], facts["usual"])
    assert facts["kept"] == (facts["value"] < facts["usual"])
    if not facts["kept"]:
        assert (tuned.head.weights == usual.head.weights).all()
    assert any(line.startswith("tuned over 12 trials: validation ") for line in listener.lines)
    again = select_head(task, x, y, parts, options, SilentProgress())
    assert (again.head.weights == tuned.head.weights).all()
    json.dumps(facts, allow_nan=False)


def test_tune_finds_and_keeps_a_better_recipe() -> None:
    """The usual grid is cut down to one bad place, so that nearly all of the space is better."""
    x, y, parts = scaled_clusters()
    tuned = select_head(
        Task.CLASSIFY, x, y, parts, HeadOptions(grid=Grid((1.0,), (1e-4,)), trials=15), SilentProgress()
    )
    assert tuned.facts["tuned"]["kept"]
    assert tuned.head.choice.val_loss == tuned.facts["tuned"]["value"] < tuned.facts["tuned"]["usual"]
    assert tuned.head.choice.strength == tuned.facts["tuned"]["at"]["strength"]


def test_tune_trials_never_see_the_validation_part() -> None:
    """The usual head has seen it: an attempt that began there would be praised for that."""
    x, y, parts = scaled_clusters()
    rows, usual = data_and_default_head(x, y, parts)
    other = dataclasses.replace(usual, weights=usual.weights[::-1] * 100)
    spaces = [HeadSearchSpace(Task.CLASSIFY, CLASSIFY_FITTER, rows, head) for head in (usual, other)]
    values = [space.evaluate({"power": 0.5, "strength": 100.0})[0] for space in spaces]
    assert values[0] == values[1]


def test_tune_searches_class_weights_only_if_classes_are_uneven() -> None:
    x, y, parts = scaled_clusters()
    even = HeadSearchSpace(Task.CLASSIFY, CLASSIFY_FITTER, *data_and_default_head(x, y, parts))
    assert [axis.name for axis in even.parameters] == ["power", "strength"]
    x, y, parts = scaled_clusters(rare=10)
    uneven = HeadSearchSpace(Task.CLASSIFY, CLASSIFY_FITTER, *data_and_default_head(x, y, parts))
    assert [axis.name for axis in uneven.parameters] == ["power", "strength", "weighting"]
    plain, full = (uneven.sample_weights({"weighting": power}, y) for power in (0.0, 1.0))
    assert (plain == 1).all()
    counts = np.bincount(y[parts.rows(SplitPart.TRAIN)])
    assert np.allclose(full[y == 2][0] / full[y == 0][0], counts[0] / counts[2])


def test_tune_penalises_forgetting_a_rare_class() -> None:
    x, y, parts = scaled_clusters(rare=10)
    space = HeadSearchSpace(Task.CLASSIFY, CLASSIFY_FITTER, *data_and_default_head(x, y, parts))
    choice = space.default_head.choice
    worse = type(choice)(choice.power, choice.strength, 1.0, choice.val_loss - 0.01, choice.val_macro_f1 - 0.1)
    alike = type(choice)(choice.power, choice.strength, 1.0, choice.val_loss - 0.01, choice.val_macro_f1 - 0.001)
    assert space.objective(alike) < space.objective(choice) < space.objective(worse)


def test_head_without_validation_never_sees_the_validation_part() -> None:
    x, y, parts = scaled_clusters()
    selected = select_head(Task.CLASSIFY, x, y, parts, HeadOptions(), SilentProgress())
    other = np.where(parts.parts == "val", (y + 1) % 3, y)
    heads = [
        refit_on_train_only(Task.CLASSIFY, selected.head, x, truth, parts, selected.sample_weights)
        for truth in (y, other)
    ]
    assert (heads[0].weights == heads[1].weights).all()
    assert (heads[0].weights != selected.head.weights).any()
    assert heads[0].choice == selected.head.choice


def test_tune_is_recorded_in_the_manifest(finetune: RunCommand, photos, tmp_path) -> None:
    result = finetune(photos, "--tune", 4, "--json")
    assert result.code == 0, result.err
    assert "tuned over 4 trials" in result.err
    manifest = json.loads((tmp_path / json.loads(result.out)["path"] / "manifest.json").read_text())
    assert manifest["head"]["tuned"]["trials"] == 4


def test_optuna_is_imported_only_to_tune(photos, tmp_path) -> None:
    script = f"""
import sys, finetune
finetune.train({{"data": {str(photos)!r}, "models": {str(tmp_path / "models")!r}}})
print("optuna" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out == "False\n"


def data_and_default_head(x: np.ndarray, y: np.ndarray, parts: Split) -> tuple[tuple, object]:
    """The arguments of a HeadSearchSpace behind task and fitter."""
    train, val = parts.rows(SplitPart.TRAIN), parts.rows(SplitPart.VAL)
    return FitData(x[train], y[train], x[val], y[val]), select_head(
        Task.CLASSIFY, x, y, parts, HeadOptions(), SilentProgress()
    ).head
