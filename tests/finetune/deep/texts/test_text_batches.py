"""Batches of texts of similar length, deterministic for seed and epoch; which encoder layers train, and how fast."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from finetune.data.task import Task
from finetune.deep.texts.encoder import attach_head, count_encoder_layers, layer_rate_factors
from finetune.deep.texts.text_batches import PAD_MULTIPLE, TextBatchSource, bucket_by_length
from finetune.deep.texts.train_texts import tokenize_job
from finetune.deep.training.batch_source import Batch
from finetune.deep.training.head_as_keras_layer import head_from_dense
from finetune.deep.training_job import TrainingJob
from finetune.recipe import Depth
from graft.progress import SilentProgress
from tests.support.finetune.text_training_job import text_job
from tests.support.presets.tiny_text_encoders import FAMILIES, tiny_text_encoder
from zoo.convert.networks.text import Pooling, add_pooling
from zoo.convert.text_trunk import load_text_encoder
from zoo.weights import weights_cache

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Layer '(self|cross)_attention' .of type T5:UserWarning"),
]


def batch_source(job: TrainingJob, size: int = 5) -> TextBatchSource:
    encoder, _ = load_text_encoder(job.backbone, weights_cache.weights_path(job.backbone))
    return TextBatchSource(job, tokenize_job(job, SilentProgress()), attach_head(encoder, job), size)


def same(a: Batch, b: Batch) -> bool:
    return all(np.array_equal(a.x[name], b.x[name]) for name in a.x) and np.array_equal(a.y, b.y)


def test_text_batches_see_each_text_once_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = text_job(tmp_path, monkeypatch, Depth.FULL)
    batches, again = batch_source(job), batch_source(job)
    assert batches.steps_per_epoch() == 7
    epochs = [[batches.training_batch(epoch, step) for step in range(7)] for epoch in (0, 1)]
    assert same(again.training_batch(1, 3), epochs[1][3])  # whichever epoch was read before
    assert same(again.training_batch(0, 3), epochs[0][3])
    assert not all(same(*pair) for pair in zip(*epochs, strict=True))
    for epoch in epochs:
        assert all(batch.y.shape == (5, 3) for batch in epoch)
        assert sum(batch.weight.sum() for batch in epoch) == 32
        token_ids = [ids for batch in epoch for ids in texts_of(batch)]
        assert sorted(token_ids) == sorted(job.inputs(job.samples[row].read()).tolist() for row in job.train_rows)


def texts_of(batch: Batch) -> list[list[int]]:
    """Return the token ids of the samples with a weight, without padding."""
    rows = zip(batch.x["token_ids"], batch.x["padding_mask"], batch.weight, strict=True)
    return [ids[mask == 1].tolist() for ids, mask, weight in rows if weight]


def test_text_batches_pad_to_few_widths_within_the_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = batch_source(text_job(tmp_path, monkeypatch, Depth.FULL))
    for batch in (batches.training_batch(0, step) for step in range(7)):
        width = batch.x["token_ids"].shape[1]
        assert width % PAD_MULTIPLE == 0
        assert width <= 512


def test_text_validation_batches_are_plain_and_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = text_job(tmp_path, monkeypatch, Depth.FULL)
    batches = [*batch_source(job).validation_batches()]
    assert [len(batch.y) for batch in batches] == [5, 3]
    token_ids = [ids for batch in batches for ids in texts_of(batch)]
    assert sorted(token_ids) == sorted(job.inputs(job.samples[row].read()).tolist() for row in job.val_rows)


def test_text_batches_bucket_by_length() -> None:
    lengths = np.random.default_rng(0).integers(5, 120, 1000)
    batches = bucket_by_length(np.arange(1000), lengths, 8, np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    padded = sum(len(rows) * lengths[rows].max() for rows in batches)
    assert padded < 1.1 * lengths.sum()
    longest = [lengths[rows].max() for rows in batches]
    assert longest != sorted(longest)  # short and long batches alternate


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.TAG, Task.REGRESS])
def test_text_network_starts_as_the_probe_and_exports_a_head(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = text_job(tmp_path, monkeypatch, Depth.FULL, task=task)
    batches = batch_source(job)
    encoder, _ = load_text_encoder(job.backbone, weights_cache.weights_path(job.backbone))
    batch = job.inputs.batch([job.inputs(sample.read()) for sample in job.samples])
    x = keras.ops.convert_to_numpy(encoder(batch, training=False))
    scores = x @ job.start_head.weights.T + job.start_head.bias
    logits = keras.ops.convert_to_numpy(batches.network(batch, training=False))
    if task is Task.REGRESS:
        y = job.y[job.train_rows]
        np.testing.assert_allclose(logits * y.std() + y.mean(), scores, rtol=1e-3)
    else:
        np.testing.assert_allclose(logits, scores, atol=1e-3 * np.abs(scores).max())
    head = head_from_dense(job, *batches.network.get_layer("head").get_weights(), batches)
    exported = x @ head.weights.T + head.bias
    if task is Task.REGRESS:
        np.testing.assert_allclose(exported, scores, rtol=1e-3)
        assert head.choice.val_rmse == pytest.approx(
            np.sqrt(((scores[job.val_rows, 0] - job.y[job.val_rows]) ** 2).mean()), rel=1e-3
        )
    else:
        np.testing.assert_allclose(exported * head.choice.temperature, scores, atol=1e-3 * np.abs(scores).max())


QUICK = {"Albert", "Bert", "DebertaV3", "FNet"}


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(FAMILIES)]
)
def test_layer_wise_learning_rate_is_lowest_for_embeddings(family: str) -> None:
    model = add_pooling(tiny_text_encoder(family), Pooling.CLS)
    factors = layer_rate_factors(model, 0.5)
    assert factors.keys() == {variable.path for variable in model.trainable_variables}
    shared = family == "Albert"  # all its layers share their weights
    assert count_encoder_layers(model) == (1 if shared else 2)
    after_layers = {1.0} if family.startswith("T5") else set()  # a final norm
    assert set(factors.values()) == ({0.5, 0.25} if shared else {0.5, 0.25, 0.125} | after_layers)
    lowest = {path for path, factor in factors.items() if factor == min(factors.values())}
    assert all("embedding" in path for path in lowest)
    assert {factor for path, factor in factors.items() if "_layer_1/" in path} <= {0.5}


def test_depth_top_trains_the_last_two_encoder_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = batch_source(text_job(tmp_path, monkeypatch, Depth.TOP, layers=3)).network
    trainable = {variable.path.split("/")[0] for variable in network.trainable_variables}
    assert trainable == {"transformer_layer_1", "transformer_layer_2", "head"}
