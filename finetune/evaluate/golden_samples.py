"""Choose the golden samples of a bundle: the smallest test samples of each class, or the zoo's own."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.data.builtin_datasets import encode_png
from finetune.data.dataset import DataKind
from finetune.features.extract import Features
from graft.errors import DatasetError
from graft.inputs.text_bytes import encode_text_sample
from zoo.sample_inputs import SAMPLE_SENTENCES


def choose_golden_samples(features: Features, rows: NDArray[np.intp], strata: Sequence[str], count: int) -> list[bytes]:
    """Read `count` of the samples `rows` int [m]: round robin over the strata, small files first, for small bundles.

    Raises:
        DatasetError: a sample has changed since its features were extracted, or is gone.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    try:
        for row in sorted(rows.tolist(), key=lambda row: features.samples[row].size()):
            groups[strata[row]].append(row)
        turns = sorted((turn, name, row) for name, some in groups.items() for turn, row in enumerate(some))
        chosen = [(row, features.samples[row].read()) for _, _, row in turns[:count]]
    except OSError as fault:
        message = f"{fault.filename} can no longer be read ({fault.strerror}). Run the same command again."
        raise DatasetError(message) from None
    for row, data in chosen:
        if hashlib.sha256(data).digest() != features.sha256[row]:
            raise DatasetError(f"{features.samples[row].ref} was changed during the run. Run the same command again.")
    return [data for _, data in chosen]


def zoo_samples(kind: DataKind, texts_per_sample: int, count: int) -> tuple[bytes, ...]:
    """Return `count` samples of the zoo's own, the same ones on every machine.

    They replace the user's samples where those must not be published (`--no-samples`).
    """
    if kind is DataKind.IMAGE:
        return zoo_images(count)
    return tuple(encode_text_sample(*SAMPLE_SENTENCES[number : number + texts_per_sample]) for number in range(count))


def zoo_images(count: int) -> tuple[bytes, ...]:
    """Return `count` pictures of coloured waves as PNG, the same ones on every machine."""
    y, x = np.mgrid[0:96, 0:96] / 96
    pictures = []
    for number in range(count):
        phases = 2 * np.pi * np.random.default_rng(number).random((3, 3))
        waves = np.stack(
            [np.sin(6 * (number + 1) * (x * np.cos(a) + y * np.sin(a)) + b + 4 * x * c) for a, b, c in phases], -1
        )
        pictures.append(encode_png(np.rint(127.5 + 127.5 * waves).astype(np.uint8)))
    return tuple(pictures)
