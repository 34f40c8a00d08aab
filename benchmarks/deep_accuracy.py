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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from finetune.dataset import Part, load
from finetune.deep.augment import Augment
from finetune.deep.blocks import cut_layer, factors
from finetune.deep.cut import parted
from finetune.deep.devices import settle
from finetune.deep.export import plain_body
from finetune.deep.grafted import planted
from finetune.deep.loop import study
from finetune.deep.picture_course import PictureCourse, WholePictures
from finetune.deep.pictures import DEFAULTS, deepen_pictures, frozen
from finetune.deep.pixels import decoded
from finetune.features import Features, extract
from finetune.heads import FAMILIES, Rows
from finetune.lesson import Epoch, Lesson
from finetune.split import split
from finetune.targets import targets
from finetune.training import Depth, Training
from zoo import get, weights
from zoo.backbone import DEFAULT, Precision
from zoo.build.networks import pixels_of, pooled, scaled
from zoo.progress import Silence
from zoo.trunk import Trunk

SHARE = 0.2
QUIET = Silence()


def lesson(seed: int, trunk: Trunk, features: Features, folder: Path) -> Lesson:
    """Return a lesson as the pipeline makes it: 3,000 digits to learn from, 1,000 to choose by."""
    data = load("sample:mnist")
    aims = targets(data.task, features.samples)
    parts = split(features.samples, features.sha256, aims.strata, seed=seed, val=SHARE, test=SHARE)
    train, val = parts.rows(Part.TRAIN), parts.rows(Part.VAL)
    x, y, family = features.x, aims.y, FAMILIES[data.task]
    choice = family.choose(Rows(x[train], y[train], x[val], y[val]))
    return Lesson(
        backbone=get(DEFAULT),
        depth=Depth.TOP,
        task=data.task,
        inputs=trunk.inputs,
        samples=features.samples,
        sha256=features.sha256,
        y=y,
        labels=aims.labels,
        weights=np.ones(len(y), np.float32),
        train=train,
        val=val,
        head=family.refit(choice, Rows(x[train], y[train], x[:0], y[:0])),
        training=Training().filled(DEFAULTS[Depth.TOP]),
        seed=seed,
        folder=folder,
    )


def plainly(given: Lesson) -> tuple[Epoch, ...]:
    """Train the same layers from pixels; return the history."""
    rows = np.concatenate([given.train, given.val]).tolist()
    settle()
    given.folder.mkdir(parents=True)
    samples = [given.samples[row] for row in rows]
    pictures = decoded(samples, given.inputs, given.folder / "pixels.npy", QUIET)
    source = WholePictures(pictures, Augment(flips=False))

    def make(size: int) -> PictureCourse:
        body = plain_body(given.backbone, weights.fetch(given.backbone), None)
        frozen(body)
        for layer in parted(body, cut_layer(body, ""))[0].layers:
            layer.trainable = False
        image = keras.Input(pictures.shape[1:], dtype="uint8", name="image")
        maps = body(scaled(image, pixels_of(given.backbone).scaling), training=False)
        kernel, bias = planted(given)
        head = keras.layers.Dense(len(bias), name="head")
        network = keras.Model({"image": image}, head(pooled(maps)))
        head.set_weights([kernel, bias])
        rates = factors(body, given.training.layer_decay or 1.0)
        return PictureCourse(given, source, network, body, rates, size, None)

    return study(make, given, QUIET)[1]


def told(name: str, history: tuple[Epoch, ...]) -> float:
    best = min(history, key=lambda epoch: epoch.val_loss)
    each = float(np.median([epoch.seconds for epoch in history]))
    print(f"{name}: {best.val_score:.2%}, log loss {best.val_loss:.4f}, {each:.1f} s an epoch", flush=True)
    return best.val_score


def main() -> None:
    trunk = Trunk.of(get(DEFAULT), Precision.FP32)
    features = extract(trunk, load("sample:mnist"), 0.05, QUIET)
    scores = []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        with tempfile.TemporaryDirectory() as scratch:
            cached = deepen_pictures(lesson(seed, trunk, features, Path(scratch, "top")), QUIET).history
            plain = plainly(lesson(seed, trunk, features, Path(scratch, "plain")))
        scores.append([told(f"seed {seed}, cached", cached), told(f"seed {seed}, plain", plain)])
    print("mean: cached {:.2%}, plain {:.2%}".format(*np.mean(scores, 0)))


if __name__ == "__main__":
    main()
