"""Thumbnails of samples, to stand inside a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps

from finetune.data.dataset import LabeledSample
from graft.errors import InputError
from graft.inputs.image import ImageInput, to_rgb
from graft.inputs.magic_bytes import sniff_format

MAX_SIDE: Final = 200  # pixels of a thumbnail's longer side


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG as a `data:` address; `is_small` where the picture itself has few pixels."""

    data_url: str
    is_small: bool


def make_thumbnail(sample: LabeledSample) -> Thumbnail | None:
    """Return a small picture of `sample`; None where it can no longer be read."""
    try:
        data = sample.read()
        ImageInput(MAX_SIDE)(data)  # the checks that hostile bytes need
        with Image.open(io.BytesIO(data), formats=[sniff_format(data) or ""]) as image:
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))
            picture = to_rgb(ImageOps.exif_transpose(image))
    except (OSError, InputError):
        return None
    small = max(picture.size) < MAX_SIDE // 2
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=82)
    return Thumbnail(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}", small)
