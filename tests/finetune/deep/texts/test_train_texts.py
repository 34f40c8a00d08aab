"""Training texts, from a job to a trunk: a KerasHub encoder, tiny and random."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from finetune.deep.train import train_trunk
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.recipe import Depth
from graft.errors import TrainingFailed
from graft.progress import MetricValues, SilentProgress
from tests.support.finetune.text_training_job import text_job

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def batch_of(job: TrainingJob) -> dict[str, NDArray[np.int32]]:
    return job.inputs.batch([job.inputs(sample.read()) for sample in job.samples])


def logits_of(job: TrainingJob, result: DeepRunResult) -> NDArray[np.float32]:
    return result.trunk(batch_of(job)) @ result.head.weights.T + result.head.bias


@pytest.mark.parametrize("depth", [Depth.FULL, Depth.LORA])
def test_text_training_is_no_worse_than_the_probe_and_matches_keras(
    depth: Depth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = text_job(tmp_path, monkeypatch, depth, epochs=4)
    result = train_trunk(job, SilentProgress())
    assert result.trunk.path.parent == job.folder
    assert result.trunk.inputs == job.inputs  # served at full length, although training texts are truncated
    # The tiny network is random: training may not improve it, but must not make it worse.
    assert result.head.choice.val_loss <= result.facts["start_val_loss"] + 1e-3
    scores = logits_of(job, result)
    # The bundle's Keras model repeats trunk and head, except for the temperature.
    (tmp_path / "model.keras").write_bytes(result.model_keras)
    model = keras.saving.load_model(tmp_path / "model.keras")
    logits = keras.ops.convert_to_numpy(model(batch_of(job), training=False))
    np.testing.assert_allclose(logits / result.head.choice.temperature, scores, atol=1e-3 * np.abs(scores).max())
    with np.load(result.weights_path, allow_pickle=False) as file:
        assert not [name for name in file if "lora" in name or "head" in name]


class Stopped(Exception):
    pass


class Impatient(SilentProgress):
    """Stops a run after its first epoch."""

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        raise Stopped


def test_resume_of_stopped_text_training_is_byte_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = text_job(tmp_path, monkeypatch, Depth.FULL, epochs=2)
    whole = dataclasses.replace(job, folder=tmp_path / "whole")
    with pytest.raises(Stopped):
        train_trunk(job, Impatient())
    resumed = train_trunk(dataclasses.replace(job, resume=True), SilentProgress())
    assert resumed.trunk.sha256 == train_trunk(whole, SilentProgress()).trunk.sha256
    assert [epoch.number for epoch in resumed.history] == [1, 2]


def test_text_training_starts_from_shallower_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = text_job(tmp_path, monkeypatch, Depth.TOP, epochs=1)
    first = train_trunk(job, SilentProgress())
    more = dataclasses.replace(
        job, depth=Depth.LORA, folder=tmp_path / "more", start_head=first.head, start_weights=first.weights_path
    )
    second = train_trunk(more, SilentProgress())
    assert second.facts["start_val_loss"] == pytest.approx(first.head.choice.val_loss, rel=1e-3)
    other = tmp_path / "other.npz"
    np.savez(other, **{"token_embedding/embeddings": np.zeros((2, 3), np.float32)})
    with pytest.raises(TrainingFailed, match="another network"):
        train_trunk(dataclasses.replace(more, start_weights=other), SilentProgress())
