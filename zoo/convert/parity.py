"""Proof that ONNX Runtime repeats Keras: a trunk that fails it is never cached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from graft.errors import ParityError
from zoo.sample_inputs import random_photo_crops

if TYPE_CHECKING:
    import keras

PARITY_TOLERANCE: Final = 1e-4  # max|a-b| <= TOLERANCE * max|a|
PARITY_BATCH_SIZES: Final = (1, 7)
PARITY_LENGTHS: Final = (2, 17, 128)  # tokens, where the encoder takes as many
_TOKEN_SEED: Final = 0

ImageRunner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
TokenArrays = dict[str, NDArray[np.int32]]
TokenRunner = Callable[[TokenArrays], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two runs are apart: max|a-b| and max|a|, over all pictures."""

    off: float
    largest: float
    pictures: int
    offs: tuple[float, ...] = ()  # max|a-b| for each of BATCHES


def check_image_parity(reference: ImageRunner, runtime: ImageRunner, size: int) -> Parity:
    """Compare two runs, uint8 [n,s,s,3] -> float32 [n,d], on real pictures and on the edges.

    Raises:
        ParityError: they differ by more than TOLERANCE, or a number is not finite.
    """
    pictures = parity_images(size)
    # One by one: Keras holds all activations of a batch at once, gigabytes where pictures are large.
    expected = np.concatenate([reference(picture[None]) for picture in pictures])
    largest = float(np.abs(expected).max())
    answers = np.stack(
        [
            np.concatenate([runtime(pictures[at : at + batch]) for at in range(0, len(pictures), batch)])
            for batch in PARITY_BATCH_SIZES
        ]
    )
    offs = [float(np.abs(answer - expected).max()) for answer in answers]
    off = max(offs) if all(map(np.isfinite, offs)) else float("nan")
    if not off <= PARITY_TOLERANCE * largest:  # NaN fails too
        raise ParityError(
            f"ONNX Runtime does not repeat Keras: features differ by {off:.3g}, allowed is {PARITY_TOLERANCE:g} of "
            f"their largest, {largest:.3g}. Nothing was cached; please report this with the versions that `pip list` shows."
        )
    return Parity(off, largest, len(pictures), tuple(offs))


def parity_images(size: int) -> NDArray[np.uint8]:
    """Return the pictures that are compared, uint8 [14,size,size,3]: crops, black, white, grey and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    flat = [np.full((1, size, size, 3), value, np.uint8) for value in (0, 255, 127)]
    return np.concatenate([random_photo_crops(10, size, seed=1), *flat, noise])


def check_text_parity(model: keras.Model, runtime: TokenRunner, vocabulary: int, max_tokens: int) -> Parity:
    """Compare an encoder of `zoo.convert.networks.text` with its graph, on random tokens with padding.

    `runtime` runs the graph: int32 [n,t] by input name -> float32 [n,d]. `vocabulary` is the
    number of token ids, `max_tokens` that of positions.

    Raises:
        ParityError: they differ by more than TOLERANCE of the largest feature, or a number is not finite.
    """
    import keras  # the constants above are read where TensorFlow must not be loaded

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
