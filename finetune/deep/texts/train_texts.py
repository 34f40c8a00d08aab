"""Train texts: fine-tune a KerasHub encoder with a head on top, and export it as a trunk."""

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

# Defaults of training options that the user leaves open; those of `full` were tuned on the validation set of Reuters R8
# (`benchmarks/reuters_deep.py`), where label smoothing did worse.
_TEXT_DEFAULTS: Final[dict[Depth, dict[str, Any]]] = {
    Depth.FULL: {"epochs": 3, "batch": 16, "rate": 2e-4, "layer_decay": 0.9, "weight_decay": 0.01, "smoothing": 0.0},
    Depth.TOP: {"epochs": 5, "batch": 16, "rate": 4e-4, "layer_decay": 0.9, "weight_decay": 0.01, "smoothing": 0.0},
    Depth.LORA: {"epochs": 5, "batch": 16, "rate": 2e-3, "layer_decay": 1.0, "weight_decay": 0.0, "smoothing": 0.0},
}
MAX_TRAINING_TOKENS: Final = 256  # truncate training texts: the cost of attention grows with the square


def train_texts(job: TrainingJob, progress: Progress) -> DeepRunResult:
    """Train a text encoder and its head at depth `top`, `full` or `lora`, and export both.

    Raises:
        TrainingFailed: a loss is not finite, or not even one text fits into memory.
        ParityError: ONNX Runtime does not reproduce the trained encoder.
        WeightsError: the pretrained weights could not be fetched.
        RecipeError: the depth is `lora`, and the encoder has no attention.
    """
    configure_devices()
    keras.config.set_dtype_policy("float32")  # for everything but the training loop
    job = dataclasses.replace(job, training=job.training.with_defaults(_TEXT_DEFAULTS[job.depth]))
    job.folder.mkdir(parents=True, exist_ok=True)
    source = weights_cache.fetch_weights(job.backbone, progress)
    tokens = tokenize_job(job, progress)

    def build_batch_source(batch_size: int) -> TextBatchSource:
        network = attach_head(_load_encoder(job, source, job.start_weights), job)
        return TextBatchSource(job, tokens, network, batch_size)

    text_batches, history, facts = train_network(build_batch_source, job, progress)
    weights_by_path = merge_lora_weights(text_batches.network)
    kernel, bias = weights_by_path.pop("head/kernel"), weights_by_path.pop("head/bias")
    head = head_from_dense(job, kernel, bias, text_batches)
    weights_path = _save_named_weights(job.folder / "trunk.weights.npz", weights_by_path)
    keras.config.set_dtype_policy("float32")  # whatever the dtype policy of training
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
    """Tokenise the training set, then the validation set, truncated to `MAX_TRAINING_TOKENS`."""
    inputs = _require_text_input(job)
    if "padding_mask" in inputs.arrays:  # without a mask the encoder always sees its full width
        inputs = dataclasses.replace(inputs, max_tokens=min(MAX_TRAINING_TOKENS, inputs.max_tokens))
    samples = [job.samples[row] for row in (*job.train_rows, *job.val_rows)]
    return TokenFile.from_samples(inputs, samples, job.folder / "tokens.i32", progress)


def _require_text_input(job: TrainingJob) -> TextInput:
    if isinstance(job.inputs, TextInput):
        return job.inputs
    raise TrunkError(f"{job.backbone.name} takes images, not texts; use a text encoder.")


def _load_encoder(job: TrainingJob, source: Path, start_weights: Path | None) -> keras.Model:
    """Return the pretrained encoder, with the weights of an earlier run if there are `start_weights`.

    Raises:
        TrainingFailed: `start_weights` has the weights of another network.
    """
    encoder, _ = load_text_encoder(job.backbone, source)
    if start_weights:
        with np.load(start_weights, allow_pickle=False) as file:
            if {name: file[name].shape for name in file} != {weight.path: weight.shape for weight in encoder.weights}:
                raise TrainingFailed(
                    f"{start_weights} has the weights of another network than {job.backbone.name}. "
                    "Train from the start."
                )
            for weight in encoder.weights:
                weight.assign(file[weight.path])
    return encoder


def _save_named_weights(path: Path, arrays: dict[str, Any]) -> Path:
    with open_atomic(path) as file:
        np.savez(file, **arrays)
    return path


def _export_text_trunk(job: TrainingJob, encoder: keras.Model, progress: Progress) -> Trunk:
    """Convert the encoder to a trunk in the job's folder, with the parity check of any trunk."""
    inputs, path = _require_text_input(job), job.folder / "trunk.onnx"
    with progress.bar("checking the exported trunk against Keras", None):
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
