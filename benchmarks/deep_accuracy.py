"""The accuracy of depth `top` from cached activations, against training the same layers from pixels.

    python -m benchmarks.deep_accuracy [SEEDS]

Training from pixels augments every image anew and runs it through the whole network in every epoch. sample:mnist,
EfficientNet-Lite0, scores on the validation set.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from finetune.data.dataset import SplitPart
from finetune.data.load import load_dataset
from finetune.data.split import split_samples
from finetune.data.targets import build_targets
from finetune.deep.images.augment import RandAugment
from finetune.deep.images.cut import block_rate_factors, find_cut_layer, split_network
from finetune.deep.images.export_trunk import load_functional_body
from finetune.deep.images.image_batches import ImageBatchSource, PixelSource, decode_images
from finetune.deep.images.train_images import IMAGE_DEFAULTS, freeze_batch_norm, train_images
from finetune.deep.training.devices import configure_devices
from finetune.deep.training.head_as_keras_layer import dense_from_head
from finetune.deep.training.trainer import train_network
from finetune.deep.training_job import EpochStats, TrainingJob
from finetune.features.extract import Features, extract_features
from finetune.head import FitData
from finetune.head.fit import HEAD_FITTERS
from finetune.recipe import Depth, TrainingOptions
from graft.progress import SilentProgress
from zoo import get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Precision
from zoo.convert.networks import global_average_pool, require_pixels, scale_pixels
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHARE = 0.2
QUIET = SilentProgress()


def training_job(seed: int, trunk: Trunk, features: Features, folder: Path) -> TrainingJob:
    """Return a job as the pipeline builds it: 3,000 digits to train on, 1,000 for validation."""
    data = load_dataset("sample:mnist")
    targets = build_targets(data.task, features.samples)
    parts = split_samples(features.samples, features.sha256, targets.strata, seed=seed, val=SHARE, test=SHARE)
    train, val = parts.rows(SplitPart.TRAIN), parts.rows(SplitPart.VAL)
    x, y, fitter = features.x, targets.y, HEAD_FITTERS[data.task]
    choice = fitter.choose(FitData(x[train], y[train], x[val], y[val]))
    return TrainingJob(
        backbone=get_backbone(DEFAULT_IMAGE_BACKBONE),
        depth=Depth.TOP,
        task=data.task,
        inputs=trunk.inputs,
        samples=features.samples,
        sha256=features.sha256,
        y=y,
        labels=targets.labels,
        sample_weights=np.ones(len(y), np.float32),
        train_rows=train,
        val_rows=val,
        start_head=fitter.refit(choice, FitData(x[train], y[train], x[:0], y[:0])),
        training=TrainingOptions().with_defaults(IMAGE_DEFAULTS[Depth.TOP]),
        seed=seed,
        folder=folder,
    )


def train_from_pixels(job: TrainingJob) -> tuple[EpochStats, ...]:
    """Train the same layers from pixels; return the history."""
    rows = np.concatenate([job.train_rows, job.val_rows]).tolist()
    configure_devices()
    job.folder.mkdir(parents=True)
    samples = [job.samples[row] for row in rows]
    images = decode_images(samples, job.inputs, job.folder / "pixels.npy", QUIET)
    source = PixelSource(images, RandAugment(flips=False))

    def build_batch_source(size: int) -> ImageBatchSource:
        body = load_functional_body(job.backbone, weights_cache.fetch_weights(job.backbone), None)
        freeze_batch_norm(body)
        for layer in split_network(body, find_cut_layer(body, ""))[0].layers:
            layer.trainable = False
        image = keras.Input(images.shape[1:], dtype="uint8", name="image")
        maps = body(scale_pixels(image, require_pixels(job.backbone).scaling), training=False)
        kernel, bias = dense_from_head(job)
        head = keras.layers.Dense(len(bias), name="head")
        network = keras.Model({"image": image}, head(global_average_pool(maps)))
        head.set_weights([kernel, bias])
        rates = block_rate_factors(body, job.training.layer_decay or 1.0)
        return ImageBatchSource(job, source, network, body, rates, size, None)

    return train_network(build_batch_source, job, QUIET)[1]


def print_best(name: str, history: tuple[EpochStats, ...]) -> float:
    best = min(history, key=lambda epoch: epoch.val_loss)
    seconds = float(np.median([epoch.seconds for epoch in history]))
    print(f"{name}: {best.val_score:.2%}, log loss {best.val_loss:.4f}, {seconds:.1f} s an epoch", flush=True)
    return best.val_score


def main() -> None:
    trunk = Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.FP32)
    features = extract_features(trunk, load_dataset("sample:mnist"), 0.05, QUIET)
    scores = []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        with tempfile.TemporaryDirectory() as scratch:
            cached = train_images(training_job(seed, trunk, features, Path(scratch, "top")), QUIET).history
            plain = train_from_pixels(training_job(seed, trunk, features, Path(scratch, "plain")))
        scores.append([print_best(f"seed {seed}, cached", cached), print_best(f"seed {seed}, plain", plain)])
    print("mean: cached {:.2%}, plain {:.2%}".format(*np.mean(scores, 0)))


if __name__ == "__main__":
    main()
