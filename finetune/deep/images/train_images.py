"""Train images: the last blocks from cached activations (depth `top`), or the whole network from pixels (`full`)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import keras
import numpy as np

from finetune.data.task import Task
from finetune.deep.images.augment import MixUpCutMix, RandAugment, UInt8Images, can_flip
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

# Defaults of training options that the user leaves open; tuned on the validation set of sample:mnist.
IMAGE_DEFAULTS: Final[dict[Depth, dict[str, Any]]] = {
    Depth.TOP: {"epochs": 12, "batch": 32, "rate": 1e-3, "layer_decay": 0.8, "weight_decay": 0.01, "views": 4},
    Depth.FULL: {"epochs": 16, "batch": 32, "rate": 1e-3, "layer_decay": 0.8, "weight_decay": 0.01},
}
_WARM_START_DEFAULTS: Final = {
    "epochs": 4,
    "rate": 4e-4,
}  # of `full` after `top`, whose last blocks are trained already
MIN_EPOCHS_TO_MIX: Final = 20  # MixUp and CutMix are off in shorter runs, which do better without


def train_images(job: TrainingJob, progress: Progress) -> DeepRunResult:
    """Train an image network and its head at depth `top` or `full`, and export both.

    Raises:
        TrainingFailed: a loss is not finite, not even one image fits into memory, or the disk is full.
        ParityError: ONNX Runtime does not reproduce the network.
        WeightsError: the pretrained weights could not be fetched.
        RecipeError: the network cannot be cut at the recipe's `cut`.
    """
    configure_devices()
    keras.config.set_dtype_policy("float32")  # for everything but the training loop
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
    keras.config.set_dtype_policy("float32")  # whatever the dtype policy of training
    trunk, network = export_image_trunk(job, weights_path, progress)
    model_keras = save_keras_model(network, kernel, bias, job.folder)
    return DeepRunResult(trunk, head, weights_path, model_keras, history, facts | setup.facts)


@dataclasses.dataclass(frozen=True, slots=True)
class _TrainingSetup:
    """The result of all preparation before the first step."""

    job: TrainingJob
    build_batch_source: Callable[[int], ImageBatchSource]
    facts: dict[str, Any]  # for the manifest


def _prepare_top(job: TrainingJob, weights_file: Path | None, progress: Progress) -> _TrainingSetup:
    """Depth `top`: cache the activations at the cut once, and train the tail on them."""
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

    def build_batch_source(batch_size: int) -> ImageBatchSource:
        body = load_functional_body(job.backbone, weights_file, job.start_weights)
        _, tail = split_network(body, layer)
        maps = keras.Input(shape, dtype="float16", name="maps")
        inner = tail(keras.ops.cast(maps, tail.compute_dtype), training=False)
        return _attach_head(job, ActivationSource(views), maps, inner, body, batch_size)

    return _TrainingSetup(job, build_batch_source, {"cut": layer, "views": view_count, "flips": _has_flips(augmenter)})


def _prepare_full(job: TrainingJob, weights_file: Path | None, progress: Progress) -> _TrainingSetup:
    """Depth `full`: train the whole network from pixels, small images at a smaller size."""
    backbone_size, size = require_pixels(job.backbone).size, choose_image_size(job)
    job = with_image_size(job, size)
    body = load_functional_body(job.backbone, weights_file, job.start_weights)
    images = _decode_job_images(job, progress)
    if size != backbone_size:
        progress.log(f"training and serving at {size}x{size} pixels instead of {backbone_size}x{backbone_size}")
        job = refit_head_at_size(job, body, images)
    augmenter = _choose_augmenter(job, body, images, progress)
    source, pixels = PixelSource(images, augmenter), require_pixels(job.backbone)

    def build_batch_source(batch_size: int) -> ImageBatchSource:
        body = load_functional_body(job.backbone, weights_file, job.start_weights)
        image = keras.Input(images.shape[1:], dtype="uint8", name="image")
        inner = body(scale_pixels(image, pixels.scaling), training=False)
        return _attach_head(job, source, image, inner, body, batch_size)

    return _TrainingSetup(job, build_batch_source, {"size": size, "flips": _has_flips(augmenter)})


def _attach_head(
    job: TrainingJob,
    source: ImageArraySource,
    network_input: keras.KerasTensor,
    maps: keras.KerasTensor,
    body: keras.Model,
    batch_size: int,
) -> ImageBatchSource:
    """Return the batch source whose network ends with the job's start head on the pooled `maps`."""
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
    """Freeze all BatchNorm layers of `body`: small data sets give poor estimates of mean and variance."""
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _should_mix(job: TrainingJob) -> bool:
    training = job.training
    return training.augment and job.task is not Task.REGRESS and (training.epochs or 0) >= MIN_EPOCHS_TO_MIX


def _decode_job_images(job: TrainingJob, progress: Progress) -> UInt8Images:
    """Return the decoded images, uint8 [n,s,s,3]: the training set, then the validation set."""
    samples = [job.samples[row] for row in (*job.train_rows, *job.val_rows)]
    return decode_images(samples, job.inputs, job.folder / f"pixels-{_images_hash(job)[:16]}.npy", progress)


def _choose_augmenter(
    job: TrainingJob, body: keras.Model, images: UInt8Images, progress: Progress
) -> RandAugment | None:
    """Return the augmentation of training images, or None if the recipe turns it off; decide about flips."""
    if not job.training.augment:
        return None
    flips = can_flip(trunk_from_network(job.backbone, body), images[: len(job.train_rows)])
    progress.log(
        "augmentation flips half of the images: a classifier cannot tell them from their mirror images"
        if flips
        else "augmentation without flips: the images have a left and a right, or are too few to tell"
    )
    return RandAugment(flips)


def _has_flips(augmenter: RandAugment | None) -> bool:
    return augmenter is not None and augmenter.variant == "flipped"


def _images_hash(job: TrainingJob) -> str:
    """Return a SHA-256 over the contents of all training and validation images and the input spec, in hex."""
    rows = np.concatenate([job.train_rows, job.val_rows]).tolist()
    digest = hashlib.sha256(repr(sorted(job.inputs.spec().items())).encode())
    for row in rows:
        digest.update(job.sha256[row])
    return digest.hexdigest()
