"""A lesson about texts: KerasHub's BERT, tiny and random, and sentences that a word tells apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from finetune.dataset import Sample
from finetune.heads import Head
from finetune.lesson import Lesson
from finetune.tasks import Task
from finetune.training import Depth, Training
from tests.finetune.fits import fitted
from tests.zoo.presets import save_preset, served
from tests.zoo.servers import faulty_server
from zoo import weights
from zoo.backbone import Backbone, get
from zoo.build.text import load_text
from zoo.build.tokenizers import of_preset
from zoo.sentences import SENTENCES
from zoo.text import TextInput
from zoo.utf8 import to_sample

TINY = "bert_tiny.en_uncased"
WORDS = ("cat", "moon", "sugar")
COUNT = 48


def text_lesson(
    folder: Path,
    patch: pytest.MonkeyPatch,
    depth: Depth,
    *,
    task: Task = Task.CLASSIFY,
    layers: int = 1,
    **training: Any,
) -> Lesson:
    """48 texts, the first 32 to learn from and 8 to choose by; the head is a probe fitted on the first 32."""
    entry = get(TINY)
    fetched(entry, folder, patch, layers)
    inputs = text_input(entry)
    y = np.arange(COUNT) % len(WORDS)
    rests = [SENTENCES[at // 2 % 15][: 5 + at] for at in range(COUNT)]
    texts = [f"{WORDS[label]} {rest}" for label, rest in zip(y, rests, strict=True)]
    samples = tuple(Sample(f"line {at}", WORDS[y[at]], None, to_sample(text)) for at, text in enumerate(texts))
    aims = {Task.CLASSIFY: y, Task.TAG: np.eye(3, dtype=np.bool_)[y], Task.REGRESS: 100.0 + 10 * y}[task]
    train, val = np.arange(32), np.arange(32, 40)
    run = folder / "run"
    run.mkdir()
    return Lesson(
        backbone=entry,
        depth=depth,
        task=task,
        inputs=inputs,
        samples=samples,
        sha256=tuple(bytes([at]) for at in range(COUNT)),
        y=aims,
        labels=WORDS if task is not Task.REGRESS else ("value",),
        weights=np.ones(COUNT, np.float32),
        train=train,
        val=val,
        head=probe(entry, inputs, samples, aims, train, val, task),
        training=Training(**{"epochs": 2, "batch": 8, "rate": 0.01} | training),
        seed=7,
        folder=run,
    )


def fetched(entry: Backbone, folder: Path, patch: pytest.MonkeyPatch, layers: int) -> None:
    """Put a random preset of `entry` into the test's cache, the way a user gets it."""
    save_preset(entry, folder / "preset", num_layers=layers, intermediate_dim=32)
    with faulty_server() as server:
        server.files = served(entry, folder / "preset")
        patch.setenv("GRAFT_MIRROR", server.url)
        weights.fetch(entry)


def text_input(entry: Backbone) -> TextInput:
    made = of_preset(weights.path_of(entry).parent)
    return TextInput(
        tokenizer_json=made.tokenizer_json, special=made.special, arrays=made.arrays, max_tokens=entry.takes.max_tokens
    )


def probe(
    entry: Backbone, inputs: TextInput, samples: tuple[Sample, ...], y: Any, train: Any, val: Any, task: Task
) -> Head[Any]:
    encoder, _ = load_text(entry, weights.path_of(entry))
    batch = inputs.batch([inputs(sample.read()) for sample in samples])
    x = keras.ops.convert_to_numpy(encoder(batch, training=False))
    return fitted(task, x[train], y[train], x[val], y[val])
