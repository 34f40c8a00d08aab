"""Training images at depth `top` and `full`: EfficientNet-Lite0 with random weights at 32 pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from finetune.data.task import Task
from finetune.deep.images.export_trunk import load_functional_body
from finetune.deep.images.image_size import refit_head_at_size, with_image_size
from finetune.deep.images.train_images import train_images
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.head import Head
from finetune.recipe import Depth
from graft.errors import TrainingFailed
from graft.progress import SilentProgress
from tests.support.finetune.image_training_job import SIZE, image_job, tiny_backbone, with_zero_head
from zoo.convert.networks import trunk_from_network

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Run = tuple[TrainingJob, DeepRunResult]


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Run:
    job = with_zero_head(image_job(tmp_path_factory.mktemp("top"), Depth.TOP))
    return job, train_images(job, SilentProgress())


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Run:
    job = with_zero_head(image_job(tmp_path_factory.mktemp("full"), Depth.FULL))
    return job, train_images(job, SilentProgress())


@pytest.fixture(params=["top", "full"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.getfixturevalue(request.param)


def features(job: TrainingJob, result: DeepRunResult) -> np.ndarray:
    trunk = result.trunk
    return trunk(trunk.inputs.batch([trunk.inputs(sample.read()) for sample in job.samples]))


def changed_weights(job: TrainingJob, result: DeepRunResult) -> dict[str, bool]:
    """Return for each weight, by its path, whether training changed it."""
    before, after = (
        load_functional_body(tiny_backbone(), None, file) for file in (job.start_weights, result.weights_path)
    )
    return {
        old.path: not np.array_equal(old.numpy(), new.numpy())
        for old, new in zip(before.weights, after.weights, strict=True)
    }


def test_training_history_has_every_epoch(run: Run) -> None:
    job, result = run
    assert [epoch.number for epoch in result.history] == list(range(1, 1 + job.training.epochs))
    assert all(np.isfinite([epoch.loss, epoch.val_loss, epoch.val_score]).all() for epoch in result.history)


def test_training_lowers_the_validation_loss(run: Run) -> None:
    _, result = run
    assert result.facts["best_epoch"] > 0
    assert result.history[-1].val_loss < result.facts["start_val_loss"]


def test_depth_top_trains_only_the_layers_above_the_cut(top: Run) -> None:
    job, result = top
    assert result.facts["cut"] == "block6c_add"
    trained = {path for path, differs in changed_weights(job, result).items() if differs}
    assert {path.split("_")[0] for path in trained} == {"block6d", "block7a", "top"}


def test_depth_full_trains_all_but_batch_normalization(full: Run) -> None:
    changed = changed_weights(*full)
    frozen = {path for path in changed if path.split("/")[1] in ("gamma", "beta", "moving_mean", "moving_variance")}
    assert frozen
    assert {path for path, differs in changed.items() if not differs} == frozen


def test_exported_trunk_equals_the_keras_model(run: Run, tmp_path: Path) -> None:
    job, result = run
    saved = tmp_path / "model.keras"
    saved.write_bytes(result.model_keras)
    network = keras.models.load_model(saved)  # safe mode, and no class of ours
    trunk = result.trunk
    images = trunk.inputs.batch([trunk.inputs(sample.read()) for sample in job.samples])["image"]
    dense = network.get_layer("head")
    kernel, bias = (weight.numpy() for weight in dense.weights)
    expected = np.asarray(network(images, training=False))
    np.testing.assert_allclose(features(job, result) @ kernel + bias, expected, atol=1e-3 * np.abs(expected).max())


def test_exported_head_equals_the_keras_model(run: Run) -> None:
    job, result = run
    x = features(job, result)[job.val_rows]
    predicted = (x @ result.head.weights.T + result.head.bias).argmax(1)
    best = result.facts["best_epoch"]
    score = result.history[best - 1].val_score if best else result.facts["start_val_score"]
    assert np.mean(predicted == job.y[job.val_rows]) == pytest.approx(score, abs=1.5 / len(predicted))


def test_trained_trunk_records_its_backbone_and_parity(top: Run, full: Run) -> None:
    for job, result in (top, full):
        trunk = result.trunk
        assert trunk.path.parent == job.folder
        assert trunk.facts["backbone"] == "efficientnet_lite0.imagenet"
        assert trunk.facts["input"] == trunk.inputs.spec()
        assert trunk.signature.inputs[0].shape == (-1, SIZE, SIZE, 3)
        assert trunk.facts["parity"]["off"] <= 1e-4 * trunk.facts["parity"]["largest"]


def test_other_image_size_gets_a_new_head_and_trunk(tmp_path: Path) -> None:
    job = image_job(tmp_path, Depth.FULL)
    larger = with_image_size(job, 64)
    body = load_functional_body(larger.backbone, None, job.start_weights)
    images = np.stack([larger.inputs(sample.read()) for sample in job.samples])
    refitted = refit_head_at_size(larger, body, images)
    assert refitted.backbone.takes.size == refitted.inputs.size == 64
    x = trunk_from_network(larger.backbone, body).predict_on_batch(images)

    def accuracy(head: Head[Any]) -> float:
        return float(np.mean((x @ head.weights.T + head.bias).argmax(1) == job.y))

    assert accuracy(refitted.start_head) > max(0.9, accuracy(job.start_head) - 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("task", [Task.TAG, Task.REGRESS])
def test_depth_top_trains_tags_and_numbers(task: Task, tmp_path: Path) -> None:
    job = image_job(tmp_path, Depth.TOP, task=task, epochs=1, augment=False)
    result = train_images(job, SilentProgress())
    assert result.facts["views"] == 0
    scores = features(job, result)[job.val_rows] @ result.head.weights.T + result.head.bias
    if task is Task.REGRESS:
        assert np.abs(scores[:, 0] - job.y[job.val_rows]).mean() < job.y.std()
    else:
        assert ((scores > 0) == job.y[job.val_rows]).mean() > 0.7


def test_start_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, **{"00000": np.zeros((3, 3), np.float32)})
    with pytest.raises(TrainingFailed, match="another network"):
        load_functional_body(tiny_backbone(), None, other)


def test_trained_weights_can_start_another_run(top: Run) -> None:
    job, result = top
    with np.load(io.BytesIO(result.weights_path.read_bytes()), allow_pickle=False) as file:
        assert len(file.files) == len(load_functional_body(job.backbone, None, result.weights_path).weights)
