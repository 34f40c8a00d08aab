"""Operations of Keras that tf2onnx cannot convert, traced as equal ones that it can.

- A grouped convolution is a call of a function that XLA must compile, because TensorFlow's own kernel for
  the CPU knows no groups. A graph that is only converted needs no kernel: there it is one node.
- Exact GELU is written with Erfc since TensorFlow 2.21; ONNX has Erf alone, and 1 + erf(x) = erfc(-x).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import tensorflow as tf
from keras.src import backend
from keras.src.backend.tensorflow import nn


@contextmanager
def convertible() -> Iterator[None]:
    """Let Keras trace what can be converted; for graphs that no one runs."""
    with patch.object(nn, "conv", _conv), patch.object(nn, "gelu", _gelu):
        yield


def _conv(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> tf.Tensor:
    rank = len(inputs.shape) - 2
    last = backend.standardize_data_format(data_format) == "channels_last"
    axes = "DHW"[3 - rank :] if rank > 1 else "W"
    return tf.nn.convolution(
        inputs,
        kernel,
        strides,
        padding.upper(),
        data_format=f"N{axes}C" if last else f"NC{axes}",
        dilations=dilation_rate,
    )


def _gelu(x: tf.Tensor, approximate: bool = True) -> tf.Tensor:
    return tf.nn.gelu(x, approximate=True) if approximate else 0.5 * x * (1.0 + tf.math.erf(x * 0.5**0.5))
