"""Reuters R8 with a MiniLM probe: accuracy on the standard test split, wall time, tokens a second.

    python -m benchmarks.reuters

Trunks and the data set are fetched and built first where the cache lacks them; every timed run starts from an
empty feature cache. Everything is chosen on a validation part that is cut from train. At last the speed of
extraction for some batch sizes, which finetune.features.run_trunk.BATCH was chosen by.
"""

from __future__ import annotations

import shutil
import sys
import time
from itertools import islice
from pathlib import Path

from benchmarks.finetune import finetune
from benchmarks.scratch import scratch
from finetune.data.builtin_datasets import REUTERS_R8
from finetune.data.dataset import Dataset
from finetune.data.load import load_dataset
from finetune.features import run_trunk
from finetune.features.extract import extract_features
from graft.progress import SilentProgress
from graft.progress.terminal import TerminalProgress
from zoo.catalog.backbone import DEFAULT_TEXT_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.trunks.trunk import Trunk

SEEDS = range(3)
BATCHES = (4, 8, 16, 32)
EVERY = 8  # of the documents, one in so many is run for the batch sizes


def accuracy(precision: Precision, models: Path) -> None:
    """Print accuracy for some seeds of the validation part, and the wall time of a first and a later run."""
    for seed in SEEDS:
        result, seconds = finetune(REUTERS_R8, "--models", str(models), "--precision", precision, "--seed", str(seed))
        features, metrics = result["features"], result["metrics"]
        speed = f"{features['tokens'] / features['seconds']:,.0f} tokens/s" if features["tokens"] else "from the cache"
        print(
            f"  {precision}  seed {seed}  accuracy {metrics['accuracy']:.2%} of {metrics['samples']:,}"
            f"  macro F1 {metrics['macro_f1']:.3f}  calibration error {metrics['ece']:.1%}"
            f"  whole run {seconds:.1f} s  {features['extracted']:,} extracted, {speed}",
            flush=True,
        )


def batches(precision: Precision, scratch: Path) -> None:
    """Print tokens a second of extraction for some batch sizes."""
    whole = load_dataset(REUTERS_R8)
    some = Dataset(REUTERS_R8, tuple(islice(whole.samples, 0, None, EVERY)), kind=whole.kind)
    trunk = Trunk.from_backbone(get_backbone(DEFAULT_TEXT_BACKBONE), precision)
    for size in BATCHES:
        run_trunk.TEXT_BATCH_SIZE = size  # type: ignore[misc]
        shutil.rmtree(scratch / "cache" / "features", ignore_errors=True)
        extracted = extract_features(trunk, some, 0.05, SilentProgress())
        print(f"  {precision}  batch {size:2}  {extracted.token_count / extracted.seconds:,.0f} tokens/s", flush=True)


def main() -> None:
    """Measure and print."""
    precisions = [Precision(name) for name in sys.argv[1:]] or [Precision.FP32, Precision.INT8]
    load_dataset(REUTERS_R8, progress=TerminalProgress())
    for precision in precisions:
        Trunk.from_backbone(get_backbone(DEFAULT_TEXT_BACKBONE), precision, TerminalProgress())
    with scratch("data") as folder:
        print(f"{REUTERS_R8}, {DEFAULT_TEXT_BACKBONE}, probe; {time.strftime('%Y-%m-%d')}")
        for precision in precisions:
            accuracy(precision, folder / "models")
        for precision in precisions:
            batches(precision, folder)


if __name__ == "__main__":
    main()
