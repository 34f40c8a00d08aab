"""Proof that ONNX Runtime repeats Keras on text: token ids -> features, at several batches and lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from graft.errors import ParityError
from zoo.convert.parity import PARITY_BATCH_SIZES, PARITY_TOLERANCE, Parity

PARITY_LENGTHS: Final = (2, 17, 128)  # tokens, where the encoder takes as many
_TOKEN_SEED: Final = 0

TokenArrays = dict[str, NDArray[np.int32]]
TokenRunner = Callable[[TokenArrays], NDArray[np.float32]]


def check_text_parity(model: keras.Model, runtime: TokenRunner, vocabulary: int, max_tokens: int) -> Parity:
    """Compare an encoder of `zoo.convert.networks.text` with its graph, on random tokens with padding.

    `runtime` runs the graph: int32 [n,t] by input name -> float32 [n,d]. `vocabulary` is the
    number of token ids, `max_tokens` that of positions.

    Raises:
        ParityError: they differ by more than TOLERANCE of the largest feature, or a number is not finite.
    """
    offs = dict.fromkeys(PARITY_BATCH_SIZES, 0.0)
    largest = 0.0
    texts = 0
    for batch in parity_token_batches([tensor.name for tensor in model.inputs], vocabulary, max_tokens):
        expected = keras.ops.convert_to_numpy(model(batch, training=False))
        answer = runtime(batch)
        # Not max(), which may pass over NaN: np.maximum keeps it, and the comparison below fails.
        offs[len(expected)] = float(np.maximum(offs[len(expected)], np.abs(answer - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
        texts += len(expected)
    off = float(np.max([*offs.values()]))
    if not off <= PARITY_TOLERANCE * largest:
        raise ParityError(
            f"ONNX Runtime does not repeat Keras: features of {model.name} differ by {off:.3g}, allowed is "
            f"{PARITY_TOLERANCE:g} of their largest, {largest:.3g}. Nothing was cached; "
            "please report this with the versions that `pip list` shows."
        )
    return Parity(off, largest, texts, tuple(offs.values()))


def parity_token_batches(names: list[str], vocabulary: int, max_tokens: int) -> Iterator[TokenArrays]:
    """Yield batches of random token ids, int32 [n,t]: every batch size at every length and at the longest.

    The first text of a batch fills it, the others are cut at random and padded.
    """
    random = np.random.default_rng(_TOKEN_SEED)
    for count in PARITY_BATCH_SIZES:
        for length in sorted({*(length for length in PARITY_LENGTHS if length < max_tokens), max_tokens}):
            lengths = np.append(length, random.integers(1, length + 1, count - 1))
            mask = (np.arange(length) < lengths[:, None]).astype(np.int32)
            arrays = {
                "token_ids": random.integers(0, vocabulary, mask.shape, np.int32) * mask,
                "padding_mask": mask,
                "segment_ids": random.integers(0, 2, mask.shape, np.int32) * mask,
            }
            yield {name: arrays[name] for name in names}
