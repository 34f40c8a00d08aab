"""Texts in depth, from a lesson to a trunk: a real encoder of KerasHub's, tiny and random."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from finetune.deep.train import train_trunk
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.recipe import Depth
from graft.errors import TrainingFailed
from graft.progress import SilentProgress
from tests.support.finetune.text_training_job import text_lesson

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def batch_of(lesson: TrainingJob) -> dict[str, NDArray[np.int32]]:
    return lesson.inputs.batch([lesson.inputs(sample.read()) for sample in lesson.samples])


def logits_of(lesson: TrainingJob, done: DeepRunResult) -> NDArray[np.float32]:
    return done.trunk(batch_of(lesson)) @ done.head.weights.T + done.head.bias


@pytest.mark.parametrize("depth", [Depth.FULL, Depth.LORA])
def test_text_training_is_no_worse_than_the_probe_and_matches_keras(
    depth: Depth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = text_lesson(tmp_path, monkeypatch, depth, epochs=4)
    done = train_trunk(lesson, SilentProgress())
    assert done.trunk.path.parent == lesson.folder
    assert done.trunk.inputs == lesson.inputs  # served as it was, however short the texts to learn from were
    # The tiny network is random: it may learn nothing, but it is never worse than before the first step.
    assert done.head.choice.val_loss <= done.facts["start_val_loss"] + 1e-3
    said = logits_of(lesson, done)
    # The bundle's Keras model repeats trunk and head, but for the temperature.
    (tmp_path / "model.keras").write_bytes(done.model_keras)
    model = keras.saving.load_model(tmp_path / "model.keras")
    logits = keras.ops.convert_to_numpy(model(batch_of(lesson), training=False))
    np.testing.assert_allclose(logits / done.head.choice.temperature, said, atol=1e-3 * np.abs(said).max())
    with np.load(done.weights_path, allow_pickle=False) as file:
        assert not [name for name in file if "lora" in name or "head" in name]


class Stopped(Exception):
    pass


class Impatient(SilentProgress):
    """Stops a run after its first epoch."""

    def numbers(self, what: str, facts: Mapping[str, float | int]) -> None:
        raise Stopped


def test_resume_of_stopped_text_training_is_byte_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = text_lesson(tmp_path, monkeypatch, Depth.FULL, epochs=2)
    whole = dataclasses.replace(lesson, folder=tmp_path / "whole")
    with pytest.raises(Stopped):
        train_trunk(lesson, Impatient())
    resumed = train_trunk(dataclasses.replace(lesson, resume=True), SilentProgress())
    assert resumed.trunk.sha256 == train_trunk(whole, SilentProgress()).trunk.sha256
    assert [epoch.number for epoch in resumed.history] == [1, 2]


def test_text_training_starts_from_shallower_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = text_lesson(tmp_path, monkeypatch, Depth.TOP, epochs=1)
    first = train_trunk(lesson, SilentProgress())
    more = dataclasses.replace(
        lesson, depth=Depth.LORA, folder=tmp_path / "more", head=first.head, start=first.weights_path
    )
    second = train_trunk(more, SilentProgress())
    assert second.facts["start_val_loss"] == pytest.approx(first.head.choice.val_loss, rel=1e-3)
    other = tmp_path / "other.npz"
    np.savez(other, **{"token_embedding/embeddings": np.zeros((2, 3), np.float32)})
    with pytest.raises(TrainingFailed, match="another network"):
        train_trunk(dataclasses.replace(more, start=other), SilentProgress())
