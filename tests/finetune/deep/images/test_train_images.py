"""Pictures in depth, from bytes to a trunk: EfficientNet-Lite0 with random weights at 32 pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from finetune.data.task import Task
from finetune.deep.images.image_size import refit_head_at_size, with_image_size
from finetune.deep.images.train_images import train_images
from finetune.deep.training.export import load_functional_body
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.head import Head
from finetune.recipe import Depth
from graft.errors import TrainingFailed
from graft.progress import SilentProgress
from tests.support.finetune.image_training_job import SIZE, ignorant, picture_lesson, tiny_backbone
from zoo.convert.networks import trunk_from_network

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Run = tuple[TrainingJob, DeepRunResult]


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Run:
    lesson = ignorant(picture_lesson(tmp_path_factory.mktemp("top"), Depth.TOP))
    return lesson, train_images(lesson, SilentProgress())


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Run:
    lesson = ignorant(picture_lesson(tmp_path_factory.mktemp("full"), Depth.FULL))
    return lesson, train_images(lesson, SilentProgress())


@pytest.fixture(params=["top", "full"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.getfixturevalue(request.param)


def features(lesson: TrainingJob, deepened: DeepRunResult) -> np.ndarray:
    trunk = deepened.trunk
    return trunk(trunk.inputs.batch([trunk.inputs(sample.read()) for sample in lesson.samples]))


def changed(lesson: TrainingJob, deepened: DeepRunResult) -> dict[str, bool]:
    """By the path of a weight: has it changed?"""
    before, after = (
        load_functional_body(tiny_backbone(), None, file) for file in (lesson.start_weights, deepened.weights_path)
    )
    return {
        one.path: not np.array_equal(one.numpy(), other.numpy())
        for one, other in zip(before.weights, after.weights, strict=True)
    }


def test_training_history_has_every_epoch(run: Run) -> None:
    lesson, deepened = run
    assert [epoch.number for epoch in deepened.history] == list(range(1, 1 + lesson.training.epochs))
    assert all(np.isfinite([epoch.loss, epoch.val_loss, epoch.val_score]).all() for epoch in deepened.history)


def test_training_lowers_the_validation_loss(run: Run) -> None:
    _, deepened = run
    assert deepened.facts["best_epoch"] > 0
    assert deepened.history[-1].val_loss < deepened.facts["start_val_loss"]


def test_depth_top_trains_only_the_layers_above_the_cut(top: Run) -> None:
    lesson, deepened = top
    assert deepened.facts["cut"] == "block6c_add"
    learnt = {path for path, differs in changed(lesson, deepened).items() if differs}
    assert {path.split("_")[0] for path in learnt} == {"block6d", "block7a", "top"}


def test_depth_full_trains_all_but_batch_normalization(full: Run) -> None:
    differs = changed(*full)
    frozen = {path for path in differs if path.split("/")[1] in ("gamma", "beta", "moving_mean", "moving_variance")}
    assert frozen
    assert {path for path, one in differs.items() if not one} == frozen


def test_exported_trunk_equals_the_keras_model(run: Run, tmp_path: Path) -> None:
    lesson, deepened = run
    saved = tmp_path / "model.keras"
    saved.write_bytes(deepened.model_keras)
    network = keras.models.load_model(saved)  # safe mode, and no class of ours
    trunk = deepened.trunk
    pictures = trunk.inputs.batch([trunk.inputs(sample.read()) for sample in lesson.samples])["image"]
    dense = network.get_layer("head")
    kernel, bias = (weight.numpy() for weight in dense.weights)
    expected = np.asarray(network(pictures, training=False))
    np.testing.assert_allclose(features(lesson, deepened) @ kernel + bias, expected, atol=1e-3 * np.abs(expected).max())


def test_exported_head_equals_the_keras_model(run: Run) -> None:
    lesson, deepened = run
    x = features(lesson, deepened)[lesson.val_rows]
    answers = (x @ deepened.head.weights.T + deepened.head.bias).argmax(1)
    best = deepened.facts["best_epoch"]
    score = deepened.history[best - 1].val_score if best else deepened.facts["start_val_score"]
    assert np.mean(answers == lesson.y[lesson.val_rows]) == pytest.approx(score, abs=1.5 / len(answers))


def test_trained_trunk_records_its_backbone_and_parity(top: Run, full: Run) -> None:
    for lesson, deepened in (top, full):
        trunk = deepened.trunk
        assert trunk.path.parent == lesson.folder
        assert trunk.facts["backbone"] == "efficientnet_lite0.imagenet"
        assert trunk.facts["input"] == trunk.inputs.spec()
        assert trunk.signature.inputs[0].shape == (-1, SIZE, SIZE, 3)
        assert trunk.facts["parity"]["off"] <= 1e-4 * trunk.facts["parity"]["largest"]


def test_other_image_size_gets_a_new_head_and_trunk(tmp_path: Path) -> None:
    lesson = picture_lesson(tmp_path, Depth.FULL)
    larger = with_image_size(lesson, 64)
    body = load_functional_body(larger.backbone, None, lesson.start_weights)
    pictures = np.stack([larger.inputs(sample.read()) for sample in lesson.samples])
    fitted = refit_head_at_size(larger, body, pictures)
    assert fitted.backbone.takes.size == fitted.inputs.size == 64
    x = trunk_from_network(larger.backbone, body).predict_on_batch(pictures)

    def right(head: Head[Any]) -> float:
        return float(np.mean((x @ head.weights.T + head.bias).argmax(1) == lesson.y))

    assert right(fitted.start_head) > max(0.9, right(lesson.start_head) - 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("task", [Task.TAG, Task.REGRESS])
def test_depth_top_trains_tags_and_numbers(task: Task, tmp_path: Path) -> None:
    lesson = picture_lesson(tmp_path, Depth.TOP, task=task, epochs=1, augment=False)
    deepened = train_images(lesson, SilentProgress())
    assert deepened.facts["views"] == 0
    said = features(lesson, deepened)[lesson.val_rows] @ deepened.head.weights.T + deepened.head.bias
    if task is Task.REGRESS:
        assert np.abs(said[:, 0] - lesson.y[lesson.val_rows]).mean() < lesson.y.std()
    else:
        assert ((said > 0) == lesson.y[lesson.val_rows]).mean() > 0.7


def test_start_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, **{"00000": np.zeros((3, 3), np.float32)})
    with pytest.raises(TrainingFailed, match="another network"):
        load_functional_body(tiny_backbone(), None, other)


def test_trained_weights_can_start_another_run(top: Run) -> None:
    lesson, deepened = top
    with np.load(io.BytesIO(deepened.weights_path.read_bytes()), allow_pickle=False) as file:
        assert len(file.files) == len(load_functional_body(lesson.backbone, None, deepened.weights_path).weights)
