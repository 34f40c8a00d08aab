"""A training job of texts: KerasHub's BERT, tiny and random, and sentences whose class depends on one word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from finetune.data.dataset import LabeledSample
from finetune.data.task import Task
from finetune.deep.training_job import TrainingJob
from finetune.head import Head
from finetune.recipe import Depth, TrainingOptions
from graft.inputs.text import TextInput
from graft.inputs.text_bytes import encode_text_sample
from tests.support.finetune.fitted_heads import choose_and_refit
from tests.support.presets.keras_hub_text_presets import preset_files_by_url, save_preset
from tests.support.zoo.file_server import faulty_server
from zoo.catalog.backbone import Backbone
from zoo.catalog.find import get_backbone
from zoo.convert.text_trunk import load_text_encoder
from zoo.convert.tokenizer_json.families import tokenizer_from_preset
from zoo.sample_inputs import SAMPLE_SENTENCES
from zoo.weights import weights_cache

TINY = "bert_tiny.en_uncased"
WORDS = ("cat", "moon", "sugar")
COUNT = 48


def text_job(
    folder: Path,
    patch: pytest.MonkeyPatch,
    depth: Depth,
    *,
    task: Task = Task.CLASSIFY,
    layers: int = 1,
    **training: Any,
) -> TrainingJob:
    """Return a job of 48 texts, the first 32 to train on and 8 for validation; its head is a probe of the first 32."""
    entry = get_backbone(TINY)
    fetch_random_preset(entry, folder, patch, layers)
    inputs = text_input(entry)
    y = np.arange(COUNT) % len(WORDS)
    endings = [SAMPLE_SENTENCES[at // 2 % 15][: 5 + at] for at in range(COUNT)]
    texts = [f"{WORDS[label]} {ending}" for label, ending in zip(y, endings, strict=True)]
    samples = tuple(
        LabeledSample(f"line {at}", WORDS[y[at]], None, encode_text_sample(text)) for at, text in enumerate(texts)
    )
    targets = {Task.CLASSIFY: y, Task.TAG: np.eye(3, dtype=np.bool_)[y], Task.REGRESS: 100.0 + 10 * y}[task]
    train, val = np.arange(32), np.arange(32, 40)
    run = folder / "run"
    run.mkdir()
    return TrainingJob(
        backbone=entry,
        depth=depth,
        task=task,
        inputs=inputs,
        samples=samples,
        sha256=tuple(bytes([at]) for at in range(COUNT)),
        y=targets,
        labels=WORDS if task is not Task.REGRESS else ("value",),
        sample_weights=np.ones(COUNT, np.float32),
        train_rows=train,
        val_rows=val,
        start_head=probe(entry, inputs, samples, targets, train, val, task),
        training=TrainingOptions(**{"epochs": 2, "batch": 8, "rate": 0.01} | training),
        seed=7,
        folder=run,
    )


def fetch_random_preset(entry: Backbone, folder: Path, patch: pytest.MonkeyPatch, layers: int) -> None:
    """Download a random preset of `entry` into the test's cache from a local mirror."""
    save_preset(entry, folder / "preset", num_layers=layers, intermediate_dim=32)
    with faulty_server() as server:
        server.files = preset_files_by_url(entry, folder / "preset")
        patch.setenv("GRAFT_MIRROR", server.url)
        weights_cache.fetch_weights(entry)


def text_input(entry: Backbone) -> TextInput:
    tokenizer = tokenizer_from_preset(weights_cache.weights_path(entry).parent)
    return TextInput(
        tokenizer_json=tokenizer.tokenizer_json,
        special=tokenizer.special,
        arrays=tokenizer.arrays,
        max_tokens=entry.takes.max_tokens,
    )


def probe(
    entry: Backbone, inputs: TextInput, samples: tuple[LabeledSample, ...], y: Any, train: Any, val: Any, task: Task
) -> Head[Any]:
    encoder, _ = load_text_encoder(entry, weights_cache.weights_path(entry))
    batch = inputs.batch([inputs(sample.read()) for sample in samples])
    x = keras.ops.convert_to_numpy(encoder(batch, training=False))
    return choose_and_refit(task, x[train], y[train], x[val], y[val])
