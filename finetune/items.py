"""One sample that is in Python already, and its label, as a file and a table would have them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from finetune.dataset import Kind
from finetune.samples import png
from zoo.errors import DatasetError, NotText
from zoo.sniff import sniff
from zoo.table.sheet import cell
from zoo.utf8 import texts_of, to_sample

ALLOWED: Final = (
    "Allowed are (x, y) with x uint8 [n,h,w,3] or [n,h,w], or a list of texts; a pandas DataFrame; a tf.data.Dataset "
    "of (picture or text, label); or a dict of such under 'train', 'val' and 'test'."
)


def label_of(value: Any, classes: tuple[str, ...], where: str) -> str:  # noqa: ANN401
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
        return cell(sorted(plain) if isinstance(plain, set | frozenset) else plain)
    if not 0 <= plain < len(classes):
        raise DatasetError(
            f"{where}: the label {plain} is none of the {len(classes)} classes, 0 to {len(classes) - 1}."
        )
    return classes[plain]


def sample_of(one: Any, where: str) -> tuple[Kind, int, bytes]:  # noqa: ANN401
    """Return what a sample is, of how many texts, and its bytes; `where` is named in errors.

    Raises:
        DatasetError: it is no picture, text or pair of texts.
    """
    try:
        match one:
            case str():
                return Kind.TEXT, 1, to_sample(one)
            case (str(first), str(second)):
                return Kind.TEXT, 2, to_sample(first, second)
            case bytes() if sniff(one):
                return Kind.IMAGE, 1, bytes(one)
            case bytes():
                return Kind.TEXT, 1, to_sample(*texts_of(one, 1))
            case np.ndarray():
                return Kind.IMAGE, 1, _picture(one, where)
    except NotText as fault:
        raise DatasetError(f"{where}: {fault}") from None
    raise DatasetError(f"{where} is a {type(one).__name__}. {ALLOWED}")


def _picture(pixels: Any, where: str) -> bytes:  # noqa: ANN401
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if np.issubdtype(flat.dtype, np.floating):
        raise DatasetError(
            f"{where} is a picture of {flat.dtype}, and what its numbers mean is not clear. Give uint8, as files have "
            "it: x.astype('uint8') where they run from 0 to 255, (x * 255).round().astype('uint8') where from 0 to 1; "
            "of a tf.data.Dataset in a map, with tf.cast(x, tf.uint8)."
        )
    if flat.dtype != np.uint8 or flat.ndim not in (2, 3) or flat.shape[2:] not in ((), (3,)) or not flat.size:
        raise DatasetError(
            f"{where} is an array of {pixels.dtype} {list(pixels.shape)}; a picture is uint8 [h,w,3] (RGB), [h,w] or "
            "[h,w,1] (grey)."
        )
    return png(np.ascontiguousarray(flat))
