"""Pictures in depth: the last blocks learn from cached maps (`top`), or the whole network from pixels (`full`)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import keras
import numpy as np

from finetune.data.task import Task
from finetune.deep.images.augment import MixUpCutMix, Pictures, RandAugment, can_flip
from finetune.deep.images.cached_activations import ActivationCache
from finetune.deep.images.cut import block_rate_factors, export_bottom_onnx, split_network
from finetune.deep.images.export_trunk import export_image_trunk, load_functional_body, save_weights_npz
from finetune.deep.images.image_batches import (
    ActivationSource,
    ImageArraySource,
    ImageBatchSource,
    PixelSource,
    decode_images,
)
from finetune.deep.images.image_size import choose_image_size, refit_head_at_size, with_image_size
from finetune.deep.training.devices import configure_devices
from finetune.deep.training.head_as_keras_layer import dense_from_head, head_from_dense, save_keras_model
from finetune.deep.training.trainer import train_network
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.recipe import Depth
from graft.progress import Progress
from zoo.convert.networks import global_average_pool, require_pixels, scale_pixels, trunk_from_network
from zoo.weights import weights_cache

# What the user leaves open; found on the validation part of sample:mnist.
IMAGE_DEFAULTS: Final[dict[Depth, dict[str, Any]]] = {
    Depth.TOP: {"epochs": 12, "batch": 32, "rate": 1e-3, "layer_decay": 0.8, "weight_decay": 0.01, "views": 4},
    Depth.FULL: {"epochs": 16, "batch": 32, "rate": 1e-3, "layer_decay": 0.8, "weight_decay": 0.01},
}
_WARM_START_DEFAULTS: Final = {"epochs": 4, "rate": 4e-4}  # of `full`, where the last blocks have learnt already
MIN_EPOCHS_TO_MIX: Final = 20  # epochs from which on samples are mixed; fewer are better spent on plain ones


def train_images(job: TrainingJob, progress: Progress) -> DeepRunResult:
    """Train the network and its head as deep as the lesson says.

    Raises:
        TrainingFailed: a loss was not finite, nothing fits into the memory, or the disk is full.
        ParityError: ONNX Runtime does not repeat the network.
        WeightsError: the pretrained weights could not be had.
        RecipeError: the network cannot be cut where the recipe says.
    """
    configure_devices()
    keras.config.set_dtype_policy("float32")  # of what is computed besides the training itself
    job.folder.mkdir(parents=True, exist_ok=True)
    weights_file = None if job.start_weights else weights_cache.fetch_weights(job.backbone, progress)
    prepare = {Depth.TOP: _prepare_top, Depth.FULL: _prepare_full}[job.depth]
    defaults = IMAGE_DEFAULTS[job.depth] | (_WARM_START_DEFAULTS if job.start_weights else {})
    job_with_defaults = dataclasses.replace(job, training=job.training.with_defaults(defaults))
    setup = prepare(job_with_defaults, weights_file, progress)
    job = setup.job
    batch_source, history, facts = train_network(setup.build_batch_source, job, progress)
    image_batches = cast(ImageBatchSource, batch_source)
    kernel, bias = map(keras.ops.convert_to_numpy, image_batches.network.get_layer("head").get_weights())
    head = head_from_dense(job, kernel, bias, image_batches)
    weights_path = save_weights_npz(job.folder / "trunk.weights.npz", image_batches.body.get_weights())
    keras.config.set_dtype_policy("float32")  # whatever it was trained in
    trunk, network = export_image_trunk(job, weights_path, progress)
    model_keras = save_keras_model(network, kernel, bias, job.folder)
    return DeepRunResult(trunk, head, weights_path, model_keras, history, facts | setup.facts)


@dataclasses.dataclass(frozen=True, slots=True)
class _TrainingSetup:
    """All that is done before the first step."""

    job: TrainingJob
    build_batch_source: Callable[[int], ImageBatchSource]
    facts: dict[str, Any]


def _prepare_top(job: TrainingJob, weights_file: Path | None, progress: Progress) -> _TrainingSetup:
    """Run every picture through the bottom once, and let the tail learn from what it says."""
    training, body = job.training, load_functional_body(job.backbone, weights_file, job.start_weights)
    images = _decode_job_images(job, progress)
    augmenter = _choose_augmenter(job, body, images, progress)
    with progress.bar("converting the blocks below the cut", None):
        bottom, layer, shape = export_bottom_onnx(job.backbone, body, training.cut)
    view_count = (training.views or 0) if augmenter else 0
    cached = ActivationCache(bottom, _images_hash(job), job.folder)
    views = cached.compute_views(
        images, len(job.train_rows), view_count, augmenter or RandAugment(flips=False), job.seed, progress
    )

    def build_batch_source(size: int) -> ImageBatchSource:
        body = load_functional_body(job.backbone, weights_file, job.start_weights)
        _, tail = split_network(body, layer)
        maps = keras.Input(shape, dtype="float16", name="maps")
        inner = tail(keras.ops.cast(maps, tail.compute_dtype), training=False)
        return _attach_head(job, ActivationSource(views), maps, inner, body, size)

    return _TrainingSetup(job, build_batch_source, {"cut": layer, "views": view_count, "flips": _has_flips(augmenter)})


def _prepare_full(job: TrainingJob, weights_file: Path | None, progress: Progress) -> _TrainingSetup:
    """Let the whole network learn from pixels."""
    backbone_size, size = require_pixels(job.backbone).size, choose_image_size(job)
    job = with_image_size(job, size)
    body, images = (
        load_functional_body(job.backbone, weights_file, job.start_weights),
        _decode_job_images(job, progress),
    )
    if size != backbone_size:
        progress.log(f"learnt, and later served, at {size}x{size} pixels instead of {backbone_size}x{backbone_size}")
        job = refit_head_at_size(job, body, images)
    augmenter = _choose_augmenter(job, body, images, progress)
    source, pixels = PixelSource(images, augmenter), require_pixels(job.backbone)

    def build_batch_source(batch: int) -> ImageBatchSource:
        body = load_functional_body(job.backbone, weights_file, job.start_weights)
        image = keras.Input(images.shape[1:], dtype="uint8", name="image")
        inner = body(scale_pixels(image, pixels.scaling), training=False)
        return _attach_head(job, source, image, inner, body, batch)

    return _TrainingSetup(job, build_batch_source, {"size": size, "flips": _has_flips(augmenter)})


def _attach_head(
    job: TrainingJob,
    source: ImageArraySource,
    network_input: keras.KerasTensor,
    maps: keras.KerasTensor,
    body: keras.Model,
    batch_size: int,
) -> ImageBatchSource:
    """Put the lesson's head on `maps`, and return what is to be learnt with batches of `batch_size`."""
    freeze_batch_norm(body)
    kernel, bias = dense_from_head(job)
    head = keras.layers.Dense(len(bias), name="head", dtype="float32")
    network = keras.Model({source.input_name: network_input}, head(global_average_pool(maps)), name="pictures")
    head.set_weights([kernel, bias])
    mixer = MixUpCutMix() if _should_mix(job) else None
    return ImageBatchSource(
        job, source, network, body, block_rate_factors(body, job.training.layer_decay or 1.0), batch_size, mixer
    )


def freeze_batch_norm(body: keras.Model) -> None:
    """Let the normalisation of batches be what it was: few samples tell too little of how they are distributed."""
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _should_mix(job: TrainingJob) -> bool:
    training = job.training
    return training.augment and job.task is not Task.REGRESS and (training.epochs or 0) >= MIN_EPOCHS_TO_MIX


def _decode_job_images(job: TrainingJob, progress: Progress) -> Pictures:
    """Return the pictures to train on and then those to choose by, decoded."""
    samples = [job.samples[row] for row in (*job.train_rows, *job.val_rows)]
    return decode_images(samples, job.inputs, job.folder / f"pixels-{_images_hash(job)[:16]}.npy", progress)


def _choose_augmenter(job: TrainingJob, body: keras.Model, images: Pictures, progress: Progress) -> RandAugment | None:
    """Return what changes the pictures that are trained on; None where the recipe wants them as they are."""
    if not job.training.augment:
        return None
    flips = can_flip(trunk_from_network(job.backbone, body), images[: len(job.train_rows)])
    progress.log(
        "half of the pictures are flipped: they cannot be told from their mirror images"
        if flips
        else "no picture is flipped: which way round they are means something, or they are too few to tell"
    )
    return RandAugment(flips)


def _has_flips(augmenter: RandAugment | None) -> bool:
    return augmenter is not None and augmenter.variant == "flipped"


def _images_hash(job: TrainingJob) -> str:
    """Return a hash of the pictures that are learnt from and how they are decoded, in hex."""
    rows = np.concatenate([job.train_rows, job.val_rows]).tolist()
    digest = hashlib.sha256(repr(sorted(job.inputs.spec().items())).encode())
    for row in rows:
        digest.update(job.sha256[row])
    return digest.hexdigest()
