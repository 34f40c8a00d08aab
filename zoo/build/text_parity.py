"""Proof that ONNX Runtime repeats Keras on text: token ids -> features, at several batches and lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.build.parity import BATCHES, TOLERANCE, Parity
from zoo.errors import ParityError

LENGTHS: Final = (2, 17, 128)  # tokens, where the encoder takes as many
_SEED: Final = 0

Batch = dict[str, NDArray[np.int32]]
Run = Callable[[Batch], NDArray[np.float32]]


def prove_text(model: keras.Model, runtime: Run, vocabulary: int, most: int) -> Parity:
    """Compare an encoder of `zoo.build.networks.text` with its graph, on random tokens with padding.

    `runtime` runs the graph: int32 [n,t] by input name -> float32 [n,d]. `vocabulary` is the
    number of token ids, `most` that of positions.

    Raises:
        ParityError: they differ by more than TOLERANCE of the largest feature, or a number is not finite.
    """
    offs = dict.fromkeys(BATCHES, 0.0)
    largest = 0.0
    texts = 0
    for batch in text_probes([tensor.name for tensor in model.inputs], vocabulary, most):
        expected = keras.ops.convert_to_numpy(model(batch, training=False))
        answer = runtime(batch)
        # Not max(), which may pass over NaN: np.maximum keeps it, and the comparison below fails.
        offs[len(expected)] = float(np.maximum(offs[len(expected)], np.abs(answer - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
        texts += len(expected)
    off = float(np.max([*offs.values()]))
    if not off <= TOLERANCE * largest:
        raise ParityError(
            f"ONNX Runtime does not repeat Keras: features of {model.name} differ by {off:.3g}, allowed is "
            f"{TOLERANCE:g} of their largest, {largest:.3g}. Nothing was cached; "
            "please report this with the versions that `pip list` shows."
        )
    return Parity(off, largest, texts, tuple(offs.values()))


def text_probes(names: list[str], vocabulary: int, most: int) -> Iterator[Batch]:
    """Yield batches of random token ids, int32 [n,t]: every batch size at every length and at the longest.

    The first text of a batch fills it, the others are cut at random and padded.
    """
    random = np.random.default_rng(_SEED)
    for count in BATCHES:
        for length in sorted({*(length for length in LENGTHS if length < most), most}):
            lengths = np.append(length, random.integers(1, length + 1, count - 1))
            mask = (np.arange(length) < lengths[:, None]).astype(np.int32)
            made = {
                "token_ids": random.integers(0, vocabulary, mask.shape, np.int32) * mask,
                "padding_mask": mask,
                "segment_ids": random.integers(0, 2, mask.shape, np.int32) * mask,
            }
            yield {name: made[name] for name in names}
