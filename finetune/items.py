"""One sample that is in Python already, and its label, as a file and a table would have them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from finetune.dataset import DataKind
from finetune.samples import encode_png
from zoo.errors import DatasetError, NotText
from zoo.sniff import sniff_format
from zoo.table.sheet import cell_text
from zoo.utf8 import decode_text_sample, encode_text_sample

ALLOWED_SOURCES: Final = (
    "Allowed are (x, y) with x uint8 [n,h,w,3] or [n,h,w], or a list of texts; a pandas DataFrame; a tf.data.Dataset "
    "of (picture or text, label); or a dict of such under 'train', 'val' and 'test'."
)


def format_label(value: Any, classes: tuple[str, ...], where: str) -> str:  # noqa: ANN401
    """Return a label as a table has it; of a number the name in `classes`, where there are such.

    Raises:
        DatasetError: there is no class of that number.
    """
    plain = (
        value.item() if isinstance(value, np.generic) else value.tolist() if isinstance(value, np.ndarray) else value
    )
    if isinstance(plain, bytes):
        return plain.decode(errors="replace")
    if not classes or not isinstance(plain, int):
        return cell_text(sorted(plain) if isinstance(plain, set | frozenset) else plain)
    if not 0 <= plain < len(classes):
        raise DatasetError(
            f"{where}: the label {plain} is none of the {len(classes)} classes, 0 to {len(classes) - 1}."
        )
    return classes[plain]


def encode_sample(item: Any, where: str) -> tuple[DataKind, int, bytes]:  # noqa: ANN401
    """Return what a sample is, of how many texts, and its bytes; `where` is named in errors.

    Raises:
        DatasetError: it is no picture, text or pair of texts.
    """
    try:
        match item:
            case str():
                return DataKind.TEXT, 1, encode_text_sample(item)
            case (str(first), str(second)):
                return DataKind.TEXT, 2, encode_text_sample(first, second)
            case bytes() if sniff_format(item):
                return DataKind.IMAGE, 1, bytes(item)
            case bytes():
                return DataKind.TEXT, 1, encode_text_sample(*decode_text_sample(item, 1))
            case np.ndarray():
                return DataKind.IMAGE, 1, _encode_image(item, where)
    except NotText as fault:
        raise DatasetError(f"{where}: {fault}") from None
    raise DatasetError(f"{where} is a {type(item).__name__}. {ALLOWED_SOURCES}")


def _encode_image(pixels: Any, where: str) -> bytes:  # noqa: ANN401
    squeezed = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if np.issubdtype(squeezed.dtype, np.floating):
        raise DatasetError(
            f"{where} is a picture of {squeezed.dtype}, and what its numbers mean is not clear. Give uint8, as files have "
            "it: x.astype('uint8') where they run from 0 to 255, (x * 255).round().astype('uint8') where from 0 to 1; "
            "of a tf.data.Dataset in a map, with tf.cast(x, tf.uint8)."
        )
    if (
        squeezed.dtype != np.uint8
        or squeezed.ndim not in (2, 3)
        or squeezed.shape[2:] not in ((), (3,))
        or not squeezed.size
    ):
        raise DatasetError(
            f"{where} is an array of {pixels.dtype} {list(pixels.shape)}; a picture is uint8 [h,w,3] (RGB), [h,w] or "
            "[h,w,1] (grey)."
        )
    return encode_png(np.ascontiguousarray(squeezed))
