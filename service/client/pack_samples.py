"""What a client is given -> the bytes it sends: files, pixels, texts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.bundle.manifest import SampleKind
from graft.errors import InputError, NotAnImage, NotText
from graft.inputs.text_bytes import encode_text_sample

# A file's bytes; its path; pixels [h,w,3] or [h,w]; a pair of texts. A string is a path to an image for a model that
# takes images, and the text itself for one that takes texts.
ClientSample = bytes | str | Path | NDArray[np.uint8] | tuple[str, str]
MAX_SAMPLE_BYTES: Final = 256 << 20  # of one sample


def is_ambiguous(sample: ClientSample) -> bool:
    """Tell whether it takes the model to know what is meant by a sample."""
    return isinstance(sample, str | tuple)


def pack_samples(samples: Sequence[ClientSample], kind: SampleKind | None) -> list[bytes]:
    """Pack several samples, in their order; raises as `pack_sample` does."""
    return [pack_sample(one, kind) for one in samples]


def pack_sample(sample: ClientSample, kind: SampleKind | None) -> bytes:
    """Return a sample as the bytes of an image file or of a text; pixels are packed as PNG, which loses nothing.

    `kind` is needed only where `is_ambiguous`.

    Raises:
        InputError: a file cannot be read.
        NotAnImage: an array of another dtype or shape, or a pair of texts where an image is due.
        NotText: a pair where one text is due, or the other way round; or a lone surrogate.
    """
    match sample:
        case bytes():
            return sample
        case Path():
            return _read_file(sample)
        case str() if kind == "image":
            return _read_file(Path(sample))
        case str() | tuple():
            return _pack_text(sample, kind)
        case _:
            return _encode_png(np.asarray(sample))


def _pack_text(sample: str | tuple[str, ...], kind: SampleKind | None) -> bytes:
    texts = sample if isinstance(sample, tuple) else (sample,)
    if kind == "image":
        raise NotAnImage("the model takes images, and this is a tuple. Send a path, bytes or pixels.")
    if len(texts) != (2 if kind == "pair" else 1) or not all(isinstance(one, str) for one in texts):
        accepted_form = (
            'pairs of texts: send ("a text", "another")' if kind == "pair" else 'single texts: send "a text"'
        )
        raise NotText(f"the model takes {accepted_form}, or a list of such.")
    return encode_text_sample(*texts)


def _read_file(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MAX_SAMPLE_BYTES:
            raise InputError(f"{str(path)[:200]} has {size:,} bytes; allowed are {MAX_SAMPLE_BYTES:,} in one sample.")
        return path.read_bytes()
    except (OSError, ValueError) as fault:  # a name with a NUL is a ValueError
        reason = getattr(fault, "strerror", None) or fault
        raise InputError(f"{str(path)[:200]} cannot be read ({reason}). Check the path.") from None


def _encode_png(array: NDArray[np.uint8]) -> bytes:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or not array.size:
        raise NotAnImage(
            f"an array of {array.dtype} {list(array.shape)} is no image. Allowed are uint8 [h,w,3] (RGB) and [h,w] "
            "(grey); give several as a list."
        )
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", compress_level=1)
    return file.getvalue()
