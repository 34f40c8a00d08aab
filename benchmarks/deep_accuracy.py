"""How well `top` learns from cached maps, against the same layers trained the plain way.

    python -m benchmarks.deep_accuracy [SEEDS]

The plain way augments every picture anew and runs it through the whole network in every epoch. sample:mnist,
EfficientNet-Lite0, scores of the validation part.
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


def lesson(seed: int, trunk: Trunk, features: Features, folder: Path) -> TrainingJob:
    """Return a lesson as the pipeline makes it: 3,000 digits to learn from, 1,000 to choose by."""
    data = load_dataset("sample:mnist")
    aims = build_targets(data.task, features.samples)
    parts = split_samples(features.samples, features.sha256, aims.strata, seed=seed, val=SHARE, test=SHARE)
    train, val = parts.rows(SplitPart.TRAIN), parts.rows(SplitPart.VAL)
    x, y, fitter = features.x, aims.y, HEAD_FITTERS[data.task]
    choice = fitter.choose(FitData(x[train], y[train], x[val], y[val]))
    return TrainingJob(
        backbone=get_backbone(DEFAULT_IMAGE_BACKBONE),
        depth=Depth.TOP,
        task=data.task,
        inputs=trunk.inputs,
        samples=features.samples,
        sha256=features.sha256,
        y=y,
        labels=aims.labels,
        sample_weights=np.ones(len(y), np.float32),
        train_rows=train,
        val_rows=val,
        start_head=fitter.refit(choice, FitData(x[train], y[train], x[:0], y[:0])),
        training=TrainingOptions().with_defaults(IMAGE_DEFAULTS[Depth.TOP]),
        seed=seed,
        folder=folder,
    )


def plainly(given: TrainingJob) -> tuple[EpochStats, ...]:
    """Train the same layers from pixels; return the history."""
    rows = np.concatenate([given.train_rows, given.val_rows]).tolist()
    configure_devices()
    given.folder.mkdir(parents=True)
    samples = [given.samples[row] for row in rows]
    pictures = decode_images(samples, given.inputs, given.folder / "pixels.npy", QUIET)
    source = PixelSource(pictures, RandAugment(flips=False))

    def make(size: int) -> ImageBatchSource:
        body = load_functional_body(given.backbone, weights_cache.fetch_weights(given.backbone), None)
        freeze_batch_norm(body)
        for layer in split_network(body, find_cut_layer(body, ""))[0].layers:
            layer.trainable = False
        image = keras.Input(pictures.shape[1:], dtype="uint8", name="image")
        maps = body(scale_pixels(image, require_pixels(given.backbone).scaling), training=False)
        kernel, bias = dense_from_head(given)
        head = keras.layers.Dense(len(bias), name="head")
        network = keras.Model({"image": image}, head(global_average_pool(maps)))
        head.set_weights([kernel, bias])
        rates = block_rate_factors(body, given.training.layer_decay or 1.0)
        return ImageBatchSource(given, source, network, body, rates, size, None)

    return train_network(make, given, QUIET)[1]


def told(name: str, history: tuple[EpochStats, ...]) -> float:
    best = min(history, key=lambda epoch: epoch.val_loss)
    each = float(np.median([epoch.seconds for epoch in history]))
    print(f"{name}: {best.val_score:.2%}, log loss {best.val_loss:.4f}, {each:.1f} s an epoch", flush=True)
    return best.val_score


def main() -> None:
    trunk = Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.FP32)
    features = extract_features(trunk, load_dataset("sample:mnist"), 0.05, QUIET)
    scores = []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        with tempfile.TemporaryDirectory() as scratch:
            cached = train_images(lesson(seed, trunk, features, Path(scratch, "top")), QUIET).history
            plain = plainly(lesson(seed, trunk, features, Path(scratch, "plain")))
        scores.append([told(f"seed {seed}, cached", cached), told(f"seed {seed}, plain", plain)])
    print("mean: cached {:.2%}, plain {:.2%}".format(*np.mean(scores, 0)))


if __name__ == "__main__":
    main()
