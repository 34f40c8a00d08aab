"""Texts in depth: KerasHub's encoder learns with the head on top of it, and becomes a trunk of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from finetune.deep.texts.encoder import attach_head, merge_lora_weights
from finetune.deep.texts.text_batches import TextBatchSource, TokenFile
from finetune.deep.training.devices import configure_devices
from finetune.deep.training.head_as_keras_layer import head_from_dense, save_keras_model
from finetune.deep.training.trainer import train_network
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.recipe import Depth
from graft.bundle.signature import Signature
from graft.errors import TrainingFailed, TrunkError
from graft.inputs.text import TextInput
from graft.progress import Progress
from graft.storage.atomic_file import file_sha256, open_atomic, write_atomic
from zoo.catalog.backbone import Precision
from zoo.convert.text_trunk import convert_text_trunk, load_text_encoder
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

# What the user leaves open; for `full` found on the validation part of Reuters R8 (`benchmarks/reuters_deep.py`), where
# smoothed labels did worse.
_TEXT_DEFAULTS: Final[dict[Depth, dict[str, Any]]] = {
    Depth.FULL: {"epochs": 3, "batch": 16, "rate": 2e-4, "layer_decay": 0.9, "weight_decay": 0.01, "smoothing": 0.0},
    Depth.TOP: {"epochs": 5, "batch": 16, "rate": 4e-4, "layer_decay": 0.9, "weight_decay": 0.01, "smoothing": 0.0},
    Depth.LORA: {"epochs": 5, "batch": 16, "rate": 2e-3, "layer_decay": 1.0, "weight_decay": 0.0, "smoothing": 0.0},
}
MAX_TRAINING_TOKENS: Final = 256  # of a text while it is learnt from: what attention costs grows with the square of it


def train_texts(job: TrainingJob, progress: Progress) -> DeepRunResult:
    """Train the encoder and its head as deep as the lesson says.

    Raises:
        TrainingFailed: a loss was not finite, or nothing fits into the memory.
        ParityError: ONNX Runtime does not repeat the trained encoder.
        WeightsError: the pretrained weights could not be had.
        RecipeError: the encoder cannot learn at that depth.
    """
    configure_devices()
    keras.config.set_dtype_policy("float32")  # of what is computed besides the training itself
    job = dataclasses.replace(job, training=job.training.with_defaults(_TEXT_DEFAULTS[job.depth]))
    job.folder.mkdir(parents=True, exist_ok=True)
    source = weights_cache.fetch_weights(job.backbone, progress)
    tokens = tokenize_job(job, progress)

    def build_batch_source(size: int) -> TextBatchSource:
        return TextBatchSource(job, tokens, attach_head(_load_encoder(job, source, job.start_weights), job), size)

    text_batches, history, facts = train_network(build_batch_source, job, progress)
    weights_by_path = merge_lora_weights(text_batches.network)
    kernel, bias = weights_by_path.pop("head/kernel"), weights_by_path.pop("head/bias")
    head = head_from_dense(job, kernel, bias, text_batches)
    weights_path = _save_named_weights(job.folder / "trunk.weights.npz", weights_by_path)
    keras.config.set_dtype_policy("float32")  # whatever it was trained in
    encoder = _load_encoder(job, source, weights_path)
    trunk = _export_text_trunk(job, encoder, progress)
    return DeepRunResult(
        trunk=trunk,
        head=head,
        weights_path=weights_path,
        model_keras=save_keras_model(encoder, kernel, bias, job.folder),
        history=history,
        facts=facts | {"max_tokens": tokens.inputs.max_tokens},
    )


def tokenize_job(job: TrainingJob, progress: Progress) -> TokenFile:
    """Tokenise the texts to train on, then those to choose by: shorter than when they are served, if need be."""
    inputs = _require_text_input(job)
    if "padding_mask" in inputs.arrays:  # without one an encoder sees its full width, and must learn so
        inputs = dataclasses.replace(inputs, max_tokens=min(MAX_TRAINING_TOKENS, inputs.max_tokens))
    samples = [job.samples[row] for row in (*job.train_rows, *job.val_rows)]
    return TokenFile.from_samples(inputs, samples, job.folder / "tokens.i32", progress)


def _require_text_input(job: TrainingJob) -> TextInput:
    if isinstance(job.inputs, TextInput):
        return job.inputs
    raise TrunkError(f"{job.backbone.name} takes images; a text encoder was asked for.")


def _load_encoder(job: TrainingJob, source: Path, start_weights: Path | None) -> keras.Model:
    """Return the pretrained encoder, with the weights of an earlier run where `start_weights` names them.

    Raises:
        TrainingFailed: those are another network's.
    """
    encoder, _ = load_text_encoder(job.backbone, source)
    if start_weights:
        with np.load(start_weights, allow_pickle=False) as file:
            if {name: file[name].shape for name in file} != {weight.path: weight.shape for weight in encoder.weights}:
                raise TrainingFailed(f"{start_weights} holds the weights of another network than {job.backbone.name}.")
            for weight in encoder.weights:
                weight.assign(file[weight.path])
    return encoder


def _save_named_weights(path: Path, arrays: dict[str, Any]) -> Path:
    with open_atomic(path) as file:
        np.savez(file, **arrays)
    return path


def _export_text_trunk(job: TrainingJob, encoder: keras.Model, progress: Progress) -> Trunk:
    """Write the encoder as a trunk into the lesson's folder, once it is proven."""
    inputs, path = _require_text_input(job), job.folder / "trunk.onnx"
    with progress.bar("proving the trained trunk against Keras", None):
        data, report = convert_text_trunk(encoder, inputs)
    write_atomic(path, data)
    facts = report | {
        "backbone": job.backbone.name,
        "weights_sha256": weights_cache.expected_weights_hash(job.backbone),
        "precision": Precision.FP32.value,
        "sha256": file_sha256(path),
        "bytes": len(data),
    }
    return Trunk(path, facts["sha256"], Signature.from_dict(report["signature"]), inputs, facts)
