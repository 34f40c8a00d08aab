"""What int8 costs and gains for text, with a backbone's real weights: cosine, company, time, probe accuracy.

    python -m benchmarks.int8_text [NAME] [TRAIN.tab TEST.tab]

Cosines are of 160 docstrings of the standard library: int8 to fp32, with and without the mean row taken off both,
and each text alone to the same among 15 others. Times are of full texts of 128 tokens, both precisions in turn in
one run, medians. With the two files of a data set (three lines of header, then `label<TAB>text`; Reuters R8, say)
a probe of each trunk is fitted on its own features: logistic regression, its strength chosen on a fifth of train.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.timing import alternated, in_threads
from graft.inputs.open_input import BatchArrays
from graft.inputs.text_bytes import encode_text_sample
from graft.progress.terminal import TerminalProgress
from graft.types import Float32Array
from zoo.catalog.backbone import DEFAULT_TEXT_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.convert.int8_image import centred_cosine
from zoo.trunks.trunk import Trunk

TOKENS, BATCHES, THREADS, ROUNDS, RUNS = 128, (1, 8), (1, 2), 15, 4
TEXTS, MIXED, EXTRACTED = 160, 16, 8
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
MODULES = ("argparse", "asyncio", "collections", "csv", "datetime", "email.message", "inspect", "logging", "ssl")


Trunks = Mapping[Precision, Trunk]


def main() -> None:
    """Print what was measured."""
    name, *files = sys.argv[1:] or [DEFAULT_TEXT_BACKBONE]
    trunks = {
        precision: Trunk.from_backbone(get_backbone(name), precision, TerminalProgress()) for precision in Precision
    }
    sizes = ", ".join(f"{precision} {trunk.path.stat().st_size / 1e6:.1f} MB" for precision, trunk in trunks.items())
    print(f"{get_backbone(name).name}: {sizes}")
    print_probe_accuracy(trunks)
    for threads, batch in itertools.product(THREADS, BATCHES):
        timed(trunks, batch, threads)
    if files:
        train, test = map(labelled, files)
        for precision, trunk in trunks.items():
            probed(str(precision), trunk, train, test)


def print_probe_accuracy(trunks: Trunks) -> None:
    """Print how near int8 is to fp32, and how far company and padding move each."""
    texts, alone = docstrings(), {}
    for precision, trunk in trunks.items():
        alone[precision] = extracted(trunk, texts, 1)
        company = cosine(alone[precision], extracted(trunk, texts, MIXED)).min()
        print(f"{precision}: {len(texts)} docstrings, alone to among {MIXED - 1} others: lowest cosine {company:.6f}")
    for what, measure in {"cosine": cosine, "mean-centred cosine": centred_cosine}.items():
        near = measure(alone[Precision.FP32], alone[Precision.INT8])
        print(f"{what} of int8 to fp32: mean {near.mean():.4f}, lowest {near.min():.4f}")


def docstrings() -> list[str]:
    """Return TEXTS docstrings, in the order of the modules' names for them."""
    objects = (value for name in MODULES for _, value in inspect.getmembers(importlib.import_module(name)))
    unique_texts = [
        text for text in dict.fromkeys(" ".join((inspect.getdoc(o) or "").split()) for o in objects) if text
    ]
    return unique_texts[:: len(unique_texts) // TEXTS][:TEXTS]


def extracted(trunk: Trunk, texts: list[str], batch: int) -> Float32Array:
    """Return the features [n,d] of texts, `batch` at a time in the order given."""
    samples = [trunk.inputs(encode_text_sample(text)) for text in texts]
    parts = [samples[at : at + batch] for at in range(0, len(samples), batch)]
    return np.concatenate([trunk(trunk.inputs.batch(part)) for part in parts])


def timed(trunks: Trunks, batch: int, threads: int) -> None:
    """Print the milliseconds of one batch, RUNS of them in turn on each thread, and how many times as fast int8 is."""
    ids = np.random.default_rng(0).integers(1000, 20000, TOKENS, np.int32)
    full: BatchArrays = trunks[Precision.FP32].inputs.batch([ids] * batch)
    work = {p: in_threads(functools.partial(trunk, full), RUNS * threads, threads) for p, trunk in trunks.items()}
    fp32, int8 = (seconds / RUNS * 1e3 for seconds in alternated(work, ROUNDS).values())
    gain = f"{fp32 / int8:.2f} times as fast"
    print(f"{threads} side by side, batch {batch}: fp32 {fp32:.1f} ms, int8 {int8:.1f} ms, {gain}")


def labelled(file: str) -> tuple[list[str], list[str]]:
    """Return the labels and the texts of a table with three lines of header."""
    rows = [line.partition("\t") for line in Path(file).read_text("utf-8").split("\n")[3:] if line.strip()]
    return [label for label, _, _ in rows], [text for _, _, text in rows]


def probed(name: str, trunk: Trunk, train: tuple[list[str], list[str]], test: tuple[list[str], list[str]]) -> None:
    """Print the test accuracy of a probe of this trunk."""
    start = time.perf_counter()
    x, unseen = (sorted_features(trunk, texts) for _, texts in (train, test))
    pace = (len(x) + len(unseen)) / (time.perf_counter() - start)
    fit, val, fit_y, val_y = train_test_split(x, train[0], test_size=0.2, stratify=train[0], random_state=0)
    best = max(STRENGTHS, key=lambda strength: probe(strength).fit(fit, fit_y).score(val, val_y))
    score = probe(best).fit(x, train[0]).score(unseen, test[0])
    print(f"{name}: test accuracy {score:.2%} on {len(unseen):,} texts, C={best}; {pace:.0f} texts/s on one thread")


def sorted_features(trunk: Trunk, texts: list[str]) -> Float32Array:
    """Return the features [n,d] of texts in their order, run by length so that little is padded."""
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    features = extracted(trunk, [texts[at] for at in order], EXTRACTED)
    return features[np.argsort(order)]


def probe(strength: float) -> LogisticRegression:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))


def cosine(a: Float32Array, b: Float32Array) -> Float32Array:
    """Return the cosine of each pair of rows, [n,d] and [n,d] -> [n]."""
    products: Float32Array = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return products


if __name__ == "__main__":
    main()
