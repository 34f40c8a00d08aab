"""The speed of training at depth `top` and `full`, against a training loop written by hand, in one run.

    python -m benchmarks.deep [IMAGES]

EfficientNet-Lite0 with its real weights, on crops of scikit-learn's photos, since the content does not change the time.
Both sides have the same network, batches of 32, the same optimizer (AdamW, layer-wise learning rates, EMA) and the same
threads: TensorFlow's default, all cores. Rounds alternate; medians are printed.

top     an epoch over cached activations of augmented views, against one that runs the whole network forward in
        Keras and trains the same layers: on images without augmentation, and augmented anew
full    an epoch of the training loop, against a plain loop that augments in place and steps; same RandAugment
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.timing import alternated
from finetune.data.dataset import LabeledSample
from finetune.data.task import Task
from finetune.deep.images.augment import RandAugment, UInt8Images
from finetune.deep.images.cached_activations import ActivationCache
from finetune.deep.images.cut import block_rate_factors, export_bottom_onnx, split_network
from finetune.deep.images.export_trunk import load_functional_body
from finetune.deep.images.image_batches import ActivationSource, ImageArraySource, ImageBatchSource, PixelSource
from finetune.deep.images.train_images import freeze_batch_norm
from finetune.deep.training.devices import configure_devices
from finetune.deep.training.optimizer import AveragingAdamW
from finetune.deep.training.prefetch import prefetch
from finetune.deep.training.schedule import CosineWarmupSchedule
from finetune.deep.training.train_step import StepGraphs, make_loss
from finetune.deep.training_job import TrainingJob
from finetune.head import Head
from finetune.recipe import Depth
from graft.inputs.image import ImageInput
from graft.progress import SilentProgress
from graft.runtime.cpu_threads import available_cores
from graft.types import Float32Array
from zoo import get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.convert.networks import global_average_pool, require_pixels, scale_pixels
from zoo.sample_inputs import random_photo_crops
from zoo.weights import weights_cache

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, CLASSES, DECAY, RATE = 32, 10, 0.8, 1e-3
BACKBONE = get_backbone(DEFAULT_IMAGE_BACKBONE)
SIZE = require_pixels(BACKBONE).size


def training_job(count: int, folder: Path) -> TrainingJob:
    return TrainingJob(
        backbone=BACKBONE,
        depth=Depth.FULL,
        task=Task.CLASSIFY,
        inputs=ImageInput(SIZE),
        samples=tuple[LabeledSample, ...](()),
        sha256=(),
        y=np.arange(count) % CLASSES,
        labels=tuple("abcdefghij"),
        sample_weights=np.ones(count, np.float32),
        train_rows=np.arange(count),
        val_rows=np.arange(0),
        start_head=Head(
            "logistic", "Softmax", np.zeros((CLASSES, 1), np.float32), np.zeros(CLASSES, np.float32), None, 0
        ),
        folder=folder,
    )


def build_optimizer(body: keras.Model, network: keras.Model) -> AveragingAdamW:
    optimizer = AveragingAdamW(CosineWarmupSchedule(RATE), block_rate_factors(body, DECAY), 0.01)
    optimizer.build(network.trainable_variables)
    return optimizer


def network_of(start: keras.KerasTensor, maps: keras.KerasTensor, name: str) -> keras.Model:
    return keras.Model({name: start}, keras.layers.Dense(CLASSES, name="head")(global_average_pool(maps)))


def ours(batches: ImageBatchSource) -> Callable[[], None]:
    """Return a function that trains one epoch like `finetune.deep.training.trainer`."""
    steps = StepGraphs(
        batches.network,
        build_optimizer(batches.body, batches.network),
        make_loss(Task.CLASSIFY, 0.1),
        configure_devices(),
    )
    epochs = iter(range(1000))

    def epoch() -> None:
        number = next(epochs)
        for batch in prefetch(
            lambda step: steps.distribute_batch(batches.training_batch(number, step)), range(batches.steps_per_epoch())
        ):
            np.asarray(steps.train_on_batch(batch))

    return epoch


def by_hand(
    network: keras.Model, opt: AveragingAdamW, images: UInt8Images, y: Float32Array, augment: RandAugment | None
) -> Callable[[], None]:
    """Return a function that trains one epoch as written by hand: shuffle, augment, one compiled step."""

    @tf.function
    def step(x: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = network({"image": x}, training=True)
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(target, logits, True, 0.1))
        gradients = tape.gradient(loss, network.trainable_variables)
        opt.apply(gradients, network.trainable_variables)
        return loss

    def epoch() -> None:
        order = np.random.default_rng().permutation(len(images))
        for number, at in enumerate(range(0, len(images) - BATCH + 1, BATCH)):
            x = images[order[at : at + BATCH]]
            step(augment(x, (number,)) if augment else x, y[order[at : at + BATCH]]).numpy()

    return epoch


def whole_network(cut: str) -> tuple[keras.Model, keras.Model]:
    """Return body and network from pixels; layers below `cut`, if there is one, are frozen."""
    body = load_functional_body(BACKBONE, weights_cache.fetch_weights(BACKBONE), None)
    freeze_batch_norm(body)
    if cut:
        bottom, _ = split_network(body, cut)
        for layer in bottom.layers:
            layer.trainable = False
    image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    return body, network_of(image, body(scale_pixels(image, require_pixels(BACKBONE).scaling), training=False), "image")


def batch_source(
    job: TrainingJob, source: ImageArraySource, start: keras.KerasTensor, maps: keras.KerasTensor, body: keras.Model
) -> ImageBatchSource:
    return ImageBatchSource(
        job, source, network_of(start, maps, source.input_name), body, block_rate_factors(body, DECAY), BATCH, None
    )


def top(job: TrainingJob, images: UInt8Images, y: Float32Array, cut_option: str) -> None:
    body = load_functional_body(BACKBONE, weights_cache.fetch_weights(BACKBONE), None)
    data, cut, shape = export_bottom_onnx(BACKBONE, body, cut_option)
    start = time.perf_counter()
    cached = ActivationCache(data, cut_option or "default", job.folder)
    views = cached.compute_views(images, len(images), 1, RandAugment(flips=False), 0, SilentProgress())
    seconds = (time.perf_counter() - start) / 2
    freeze_batch_norm(body)
    maps = keras.Input(shape, dtype="float16", name="maps")
    inner = split_network(body, cut)[1](keras.ops.cast(maps, "float32"), training=False)
    graft = ours(batch_source(job, ActivationSource(views), maps, inner, body))
    other, network = whole_network(cut)
    by_name = {
        name: by_hand(network, build_optimizer(other, network), images, y, augment)
        for name, augment in (("plain images by hand", None), ("augmented ones by hand", RandAugment(flips=False)))
    }
    compare(f"top, cut after {cut}", len(images), graft, by_name)
    print(f"    caching: {seconds / len(images) * 1e3:.1f} ms an image and view, once")


def full(job: TrainingJob, images: UInt8Images, y: Float32Array) -> None:
    body, network = whole_network("")
    source = PixelSource(images, RandAugment(flips=True))
    batches = ImageBatchSource(job, source, network, body, block_rate_factors(body, DECAY), BATCH, None)
    other, plain = whole_network("")
    hand = by_hand(plain, build_optimizer(other, plain), images, y, RandAugment(flips=True))
    compare("full", len(images), ours(batches), {"by hand": hand})


def compare(what: str, count: int, graft: Callable[[], None], by_name: dict[str, Callable[[], None]]) -> None:
    seconds_by_name = alternated({"graft": graft} | by_name, rounds=5)
    images = count // BATCH * BATCH
    for name in by_name:
        print(f"{what}: {seconds_by_name[name] / seconds_by_name['graft']:.2f} times the speed of {name}")
    each = ", ".join(f"{name} {seconds / images * 1e3:.1f}" for name, seconds in seconds_by_name.items())
    print(f"    ms an image: {each}", flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    keras.utils.set_random_seed(0)
    configure_devices()
    print(f"{count} images of {SIZE}x{SIZE}, batches of {BATCH}, {available_cores()} threads")
    images = random_photo_crops(count, SIZE, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        job = training_job(count, Path(scratch))
        y = np.eye(CLASSES, dtype=np.float32)[job.y]
        for cut_option in ("", "14x14"):
            top(dataclasses.replace(job, depth=Depth.TOP), images, y, cut_option)
        full(job, images, y)


if __name__ == "__main__":
    main()
