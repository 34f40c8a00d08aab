"""Previews of samples for a page: a thumbnail of a picture, the first words of a text."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps

from finetune.data.dataset import LabeledSample
from graft.bundle.manifest import SampleKind
from graft.errors import InputError
from graft.inputs.image import ImageInput, to_rgb
from graft.inputs.magic_bytes import sniff_format
from graft.inputs.text_bytes import decode_text_sample

MAX_SIDE: Final = 200  # pixels of a thumbnail's longer side
MAX_EXCERPT_CHARS: Final = 320  # characters of a text that are shown


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG as a `data:` URL; `is_small` if the picture itself has few pixels."""

    data_url: str
    is_small: bool


@dataclass(frozen=True, slots=True)
class SamplePreview:
    """What a page shows of a sample: the thumbnail of a picture, or an excerpt of each of its texts."""

    thumbnail: Thumbnail | None = None
    excerpts: tuple[str, ...] = ()


def preview_sample(sample: LabeledSample, kind: SampleKind) -> SamplePreview | None:
    """Return the preview of a sample; None if it can no longer be read."""
    if kind == "image":
        thumbnail = make_thumbnail(sample)
        return SamplePreview(thumbnail) if thumbnail else None
    try:
        parts = decode_text_sample(sample.read(), 2 if kind == "pair" else 1)
    except (OSError, InputError):
        return None
    return SamplePreview(excerpts=tuple(map(excerpt, parts)))


def make_thumbnail(sample: LabeledSample) -> Thumbnail | None:
    """Return a thumbnail of a picture; None if it can no longer be read."""
    try:
        data = sample.read()
        ImageInput(MAX_SIDE)(data)  # the checks that hostile bytes need
        with Image.open(io.BytesIO(data), formats=[sniff_format(data) or ""]) as image:
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))
            picture = to_rgb(ImageOps.exif_transpose(image))
    except (OSError, InputError):
        return None
    is_small = max(picture.size) < MAX_SIDE // 2
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=82)
    return Thumbnail(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}", is_small)


def excerpt(text: str) -> str:
    """Return the beginning of `text` on one line, cut between words.

    >>> excerpt("a text   with spaces")
    'a text with spaces'
    """
    flat = " ".join(text[: 8 * MAX_EXCERPT_CHARS].split())
    if len(flat) <= MAX_EXCERPT_CHARS:
        return flat
    cut = flat[:MAX_EXCERPT_CHARS]
    return (cut.rsplit(" ", 1)[0] if " " in cut[MAX_EXCERPT_CHARS // 2 :] else cut) + " …"
