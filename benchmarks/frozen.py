"""The probe against what most people write: ten epochs of Keras `fit` with a frozen network and a dense head.

    python -m benchmarks.frozen

`sample:mnist`, seed 0: 3,000 digits to train on, 1,000 to test with. Keras gets its pictures decoded, as one array at
the network's size (that time is not counted), batches of 32, Adam, all cores, TensorFlow's own threads. The probe is
the command as a user types it, its start and decoding counted, from an empty feature cache; the trunk is cached.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time

import keras
import numpy as np

from benchmarks.scratch import scratch
from finetune.data.dataset import SplitPart
from finetune.data.load import load_dataset
from finetune.data.split import split_samples
from graft.inputs.image import ImageInput
from graft.progress import SilentProgress
from zoo import Precision, get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.convert.networks import build_trunk_network, require_pixels
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EPOCHS, BATCH, SEED = 10, 32, 0


def by_hand() -> tuple[float, float]:
    """Return seconds of `fit` and the test accuracy."""
    backbone, data = get_backbone(DEFAULT_IMAGE_BACKBONE), load_dataset("sample:mnist")
    bytes_ = [sample.read() for sample in data.samples]
    decode = ImageInput(require_pixels(backbone).size)
    pictures = np.stack([decode(one) for one in bytes_])
    y = np.array([int(sample.label) for sample in data.samples])
    sha256 = [hashlib.sha256(one).digest() for one in bytes_]
    parts = split_samples(data.samples, sha256, [sample.label for sample in data.samples], seed=SEED, val=0.2, test=0.2)
    train, test = parts.rows(SplitPart.TRAIN), parts.rows(SplitPart.TEST)
    trunk = build_trunk_network(backbone, weights_cache.fetch_weights(backbone, SilentProgress()))
    trunk.trainable = False
    model = keras.Sequential([trunk, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    model.fit(pictures[train], y[train], batch_size=BATCH, epochs=EPOCHS, verbose=0)
    seconds = time.perf_counter() - start
    return seconds, float(model.evaluate(pictures[test], y[test], verbose=0)[1])


def probe() -> tuple[float, float]:
    """Return seconds of the whole command and its test accuracy."""
    for precision in Precision:
        Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), precision)
    with scratch() as folder:
        words = ["sample:mnist", "--seed", str(SEED), "--models", f"{folder}/models", "--json"]
        start = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-m", "finetune.cli.main", *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return time.perf_counter() - start, json.loads(process.stdout)["metrics"]["accuracy"]


def main() -> None:
    ours, ours_right = probe()
    theirs, theirs_right = by_hand()
    print(f"probe: {ours:.1f} s, {ours_right:.1%}; {EPOCHS} epochs of Keras fit: {theirs:.0f} s, {theirs_right:.1%}")
    print(f"ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
