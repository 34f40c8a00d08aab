"""Parity check: ONNX Runtime's features against Keras', for images and texts, before a trunk is cached.

Allowed is max|a-b| <= 1e-4 * max|a|, at batch sizes 1 and 7.
"""

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

PARITY_TOLERANCE: Final = 1e-4  # max|a-b| <= PARITY_TOLERANCE * max|a|
PARITY_BATCH_SIZES: Final = (1, 7)
PARITY_LENGTHS: Final = (2, 17, 128)  # tokens, where the encoder takes as many
_TOKEN_SEED: Final = 0

ImageRunner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
TokenArrays = dict[str, NDArray[np.int32]]
TokenRunner = Callable[[TokenArrays], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Parity:
    """Difference of two runs: max|a-b| and max|a| over all samples."""

    off: float
    largest: float
    pictures: int
    offs: tuple[float, ...] = ()  # max|a-b| for each of PARITY_BATCH_SIZES


def check_image_parity(reference: ImageRunner, runtime: ImageRunner, size: int) -> Parity:
    """Compare two models, uint8 [n,size,size,3] -> float32 [n,d], on photo crops, constant images and noise.

    Raises:
        ParityError: they differ by more than PARITY_TOLERANCE, or a value is not finite.
    """
    images = parity_images(size)
    # One by one: Keras holds all activations of a batch at once, gigabytes for large images.
    expected = np.concatenate([reference(image[None]) for image in images])
    largest = float(np.abs(expected).max())
    answers = np.stack(
        [
            np.concatenate([runtime(images[at : at + batch]) for at in range(0, len(images), batch)])
            for batch in PARITY_BATCH_SIZES
        ]
    )
    offs = [float(np.abs(answer - expected).max()) for answer in answers]
    off = max(offs) if all(map(np.isfinite, offs)) else float("nan")
    if not off <= PARITY_TOLERANCE * largest:  # NaN fails too
        raise ParityError(
            f"parity check failed: the features of ONNX Runtime and Keras differ by {off:.3g}; allowed is "
            f"{PARITY_TOLERANCE:g} of the largest, {largest:.3g}. Nothing was cached; please report this with the "
            "output of `pip list`."
        )
    return Parity(off, largest, len(images), tuple(offs))


def parity_images(size: int) -> NDArray[np.uint8]:
    """Return the images to compare on, uint8 [14,size,size,3]: photo crops, black, white, grey and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    flat = [np.full((1, size, size, 3), value, np.uint8) for value in (0, 255, 127)]
    return np.concatenate([random_photo_crops(10, size, seed=1), *flat, noise])


def check_text_parity(model: keras.Model, runtime: TokenRunner, vocabulary: int, max_tokens: int) -> Parity:
    """Compare a Keras text encoder with its ONNX graph, on random tokens with padding.

    Args:
        model: an encoder of `zoo.convert.networks.text`.
        runtime: runs the graph: int32 [n,t] by input name -> float32 [n,d].
        vocabulary: number of token ids.
        max_tokens: number of positions.

    Raises:
        ParityError: they differ by more than PARITY_TOLERANCE of the largest feature, or a value is not finite.
    """
    import keras  # not above: this module is also imported where TensorFlow must not be loaded

    offs = dict.fromkeys(PARITY_BATCH_SIZES, 0.0)
    largest = 0.0
    texts = 0
    for batch in parity_token_batches([tensor.name for tensor in model.inputs], vocabulary, max_tokens):
        expected = keras.ops.convert_to_numpy(model(batch, training=False))
        answer = runtime(batch)
        # np.maximum, not max(): it propagates NaN, so that the comparison below fails.
        offs[len(expected)] = float(np.maximum(offs[len(expected)], np.abs(answer - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
        texts += len(expected)
    off = float(np.max([*offs.values()]))
    if not off <= PARITY_TOLERANCE * largest:
        raise ParityError(
            f"parity check failed: the features of {model.name} in ONNX Runtime and Keras differ by {off:.3g}; allowed "
            f"is {PARITY_TOLERANCE:g} of the largest, {largest:.3g}. Nothing was cached; please report this with the "
            "output of `pip list`."
        )
    return Parity(off, largest, texts, tuple(offs.values()))


def parity_token_batches(names: list[str], vocabulary: int, max_tokens: int) -> Iterator[TokenArrays]:
    """Yield random token ids, int32 [n,t] by input name: each batch size at each length and at `max_tokens`.

    The first text of a batch has the full length; the others have random lengths and are padded.
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
