"""Texts in depth: KerasHub's encoder learns with the head on top of it, and becomes a trunk of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from finetune.deep.devices import settle
from finetune.deep.encoder import with_head
from finetune.deep.grafted import harvested, keras_file
from finetune.deep.loop import study
from finetune.deep.lora import plain_weights
from finetune.deep.text_course import TextCourse
from finetune.deep.tokens import Tokens
from finetune.lesson import Deepened, Lesson
from finetune.training import Depth
from zoo import weights
from zoo.backbone import Precision
from zoo.build.text import emit_text, load_text
from zoo.errors import TrainingFailed, TrunkError
from zoo.files import sha256_of, write_whole, written_whole
from zoo.progress import Progress
from zoo.signature import Signature
from zoo.text import TextInput
from zoo.trunk import Trunk

# What the user leaves open; for `full` found on the validation part of Reuters R8 (`benchmarks/reuters_deep.py`), where
# smoothed labels did worse.
_DEFAULTS: Final[dict[Depth, dict[str, Any]]] = {
    Depth.FULL: {"epochs": 3, "batch": 16, "rate": 2e-4, "layer_decay": 0.9, "weight_decay": 0.01, "smoothing": 0.0},
    Depth.TOP: {"epochs": 5, "batch": 16, "rate": 4e-4, "layer_decay": 0.9, "weight_decay": 0.01, "smoothing": 0.0},
    Depth.LORA: {"epochs": 5, "batch": 16, "rate": 2e-3, "layer_decay": 1.0, "weight_decay": 0.0, "smoothing": 0.0},
}
MAX_TOKENS: Final = 256  # of a text while it is learnt from: what attention costs grows with the square of it


def deepen_texts(lesson: Lesson, progress: Progress) -> Deepened:
    """Train the encoder and its head as deep as the lesson says.

    Raises:
        TrainingFailed: a loss was not finite, or nothing fits into the memory.
        ParityError: ONNX Runtime does not repeat the trained encoder.
        WeightsError: the pretrained weights could not be had.
        RecipeError: the encoder cannot learn at that depth.
    """
    settle()
    keras.config.set_dtype_policy("float32")  # of what is computed besides the training itself
    lesson = dataclasses.replace(lesson, training=lesson.training.filled(_DEFAULTS[lesson.depth]))
    lesson.folder.mkdir(parents=True, exist_ok=True)
    source = weights.fetch(lesson.backbone, progress)
    tokens = tokenised(lesson, progress)

    def make(size: int) -> TextCourse:
        return TextCourse(lesson, tokens, with_head(_encoder(lesson, source, lesson.start), lesson), size)

    course, history, facts = study(make, lesson, progress)
    learnt = plain_weights(course.network)
    kernel, bias = learnt.pop("head/kernel"), learnt.pop("head/bias")
    head = harvested(lesson, kernel, bias, course)
    kept = _kept(lesson.folder / "trunk.weights.npz", learnt)
    keras.config.set_dtype_policy("float32")  # whatever it was trained in
    encoder = _encoder(lesson, source, kept)
    trunk = _exported(lesson, encoder, progress)
    return Deepened(
        trunk=trunk,
        head=head,
        weights=kept,
        model_keras=keras_file(encoder, kernel, bias, lesson.folder),
        history=history,
        facts=facts | {"max_tokens": tokens.inputs.max_tokens},
    )


def tokenised(lesson: Lesson, progress: Progress) -> Tokens:
    """Tokenise the texts to train on, then those to choose by: shorter than when they are served, if need be."""
    inputs = _text_input(lesson)
    if "padding_mask" in inputs.arrays:  # without one an encoder sees its full width, and must learn so
        inputs = dataclasses.replace(inputs, max_tokens=min(MAX_TOKENS, inputs.max_tokens))
    samples = [lesson.samples[row] for row in (*lesson.train, *lesson.val)]
    return Tokens.of(inputs, samples, lesson.folder / "tokens.i32", progress)


def _text_input(lesson: Lesson) -> TextInput:
    if isinstance(lesson.inputs, TextInput):
        return lesson.inputs
    raise TrunkError(f"{lesson.backbone.name} takes images; a text encoder was asked for.")


def _encoder(lesson: Lesson, source: Path, start: Path | None) -> keras.Model:
    """Return the pretrained encoder, with the weights of an earlier run where `start` names them.

    Raises:
        TrainingFailed: those are another network's.
    """
    encoder, _ = load_text(lesson.backbone, source)
    if start:
        with np.load(start, allow_pickle=False) as file:
            if {name: file[name].shape for name in file} != {weight.path: weight.shape for weight in encoder.weights}:
                raise TrainingFailed(f"{start} holds the weights of another network than {lesson.backbone.name}.")
            for weight in encoder.weights:
                weight.assign(file[weight.path])
    return encoder


def _kept(path: Path, learnt: dict[str, Any]) -> Path:
    with written_whole(path) as file:
        np.savez(file, **learnt)
    return path


def _exported(lesson: Lesson, encoder: keras.Model, progress: Progress) -> Trunk:
    """Write the encoder as a trunk into the lesson's folder, once it is proven."""
    inputs, path = _text_input(lesson), lesson.folder / "trunk.onnx"
    with progress.bar("proving the trained trunk against Keras", None):
        data, report = emit_text(encoder, inputs)
    write_whole(path, data)
    facts = report | {
        "backbone": lesson.backbone.name,
        "weights_sha256": weights.known_hash(lesson.backbone),
        "precision": Precision.FP32.value,
        "sha256": sha256_of(path),
        "bytes": len(data),
    }
    return Trunk(path, facts["sha256"], Signature.of(report["signature"]), inputs, facts)
