"""What a preset's own files say of its pictures: size and scaling. Light: they are JSON, read and never run.

KerasHub writes an image converter beside each network: resize, then multiply by `scale`, then add `offset`, each a
number or one for every channel. Older ones have `mean` and `variance` of pixels that were scaled already.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from zoo.backbone import Affine, Backbone, Pixels
from zoo.errors import WeightsError
from zoo.image import MAX_SIZE

CONVERTER: Final = "image_converter.json"
RESIZING: Final = ("interpolation", "antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio")


def settled(backbone: Backbone, folder: Path) -> Backbone:
    """Return `backbone` with the size and the scaling that its preset in `folder` has; one that knows them, as it is.

    Raises:
        WeightsError: the preset's image converter is none that is known here.
    """
    takes = backbone.takes
    if not isinstance(takes, Pixels) or takes.size is not None:
        return backbone
    try:
        config = converter_of(folder)
        takes = dataclasses.replace(takes, size=_size(config), scaling=_scaling(config))
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as fault:
        raise WeightsError(
            f"the preset of {backbone.name} does not say how its pictures are to be made: {CONVERTER} in {folder} "
            f"({fault!r}). Pull it again; if that does not help, choose another backbone."
        ) from None
    return dataclasses.replace(backbone, takes=takes)


def converter_of(folder: Path) -> dict[str, Any]:
    """Return the arguments of a preset's image converter.

    Raises:
        OSError: it is not there.
        KeyError, TypeError, ValueError: it is no such file.
    """
    found = json.loads((folder / CONVERTER).read_bytes())
    return dict(found["config"])


def _size(config: Mapping[str, Any]) -> int:
    height, width = config.get("image_size") or (config["height"], config["width"])
    if height != width or not isinstance(height, int) or not 0 < height <= MAX_SIZE:
        raise ValueError(f"pictures of {height} x {width}; allowed are squares of up to {MAX_SIZE}")
    return height


def _scaling(config: Mapping[str, Any]) -> Affine:
    if config.get("data_format") == "channels_first":
        raise ValueError("channels come first; allowed is last")
    scale, offset = config.get("scale"), config.get("offset")
    if "mean" in config and "variance" in config:
        deviations = [math.sqrt(number) for number in config["variance"]]
        scale = [(1.0 if scale is None else scale) / deviation for deviation in deviations]
        offset = [-mean / deviation for mean, deviation in zip(config["mean"], deviations, strict=True)]
    return Affine(scale=_numbers(scale, 1.0), offset=_numbers(offset, 0.0))


def _numbers(given: Any, usual: float) -> tuple[float, ...]:  # noqa: ANN401 - what JSON holds
    """Return one number for all channels, or three; `usual` where none is given."""
    listed = [usual] if given is None else given if isinstance(given, list) else [given]
    numbers = tuple(float(number) for number in listed)
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"scaled by {numbers}; allowed is one finite number, or one for each of three channels")
    return numbers
