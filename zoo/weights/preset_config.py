"""Image size and pixel scaling of a preset, read from its own JSON files; no framework is imported.

KerasHub writes an image converter beside each network: resize, multiply by `scale`, add `offset`, each one number or
one per channel. Older converters have `mean` and `variance` of pixels that are scaled already. KerasCV's networks
scale pixels themselves if their `include_rescaling` is true.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from graft.errors import WeightsError
from graft.inputs.image import MAX_IMAGE_SIZE
from zoo.catalog.backbone import AffineScaling, Backbone, ImageSpec, Scaling

IMAGE_CONVERTER_FILE: Final = "image_converter.json"
NETWORK_CONFIG_FILE: Final = "config.json"


def resolve_preset(backbone: Backbone, folder: Path) -> Backbone:
    """Return `backbone` with the image size and scaling of its preset in `folder`; unchanged if it has them already.

    Raises:
        WeightsError: the preset's files do not give a size and scaling that are supported.
    """
    takes = backbone.takes
    if not isinstance(takes, ImageSpec) or takes.scaling is not Scaling.PRESET:
        return backbone
    try:
        if backbone.library == "keras-cv":
            takes = dataclasses.replace(takes, scaling=_network_scaling(folder))
        else:
            config = _read_config(folder / IMAGE_CONVERTER_FILE)
            takes = dataclasses.replace(takes, size=_image_size(config), scaling=_converter_scaling(config))
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as fault:
        raise WeightsError(
            f"the preset of {backbone.name} in {folder} gives no supported image size and scaling ({fault!r}). "
            "Pull it again; if that does not help, choose another backbone."
        ) from None
    return dataclasses.replace(backbone, takes=takes)


def _read_config(file: Path) -> dict[str, Any]:
    """Return the `config` of a preset's JSON file."""
    return dict(json.loads(file.read_bytes())["config"])


def _network_scaling(folder: Path) -> Scaling:
    """Return the scaling of a KerasCV network: none, because it rescales pixels itself; else raise ValueError."""
    if _read_config(folder / NETWORK_CONFIG_FILE).get("include_rescaling") is not True:
        raise ValueError("the network does not rescale pixels, and its preset gives no scaling")
    return Scaling.RAW


def _image_size(config: Mapping[str, Any]) -> int:
    height, width = config.get("image_size") or (config["height"], config["width"])
    if height != width or not isinstance(height, int) or not 0 < height <= MAX_IMAGE_SIZE:
        raise ValueError(f"images of {height} x {width}; allowed are squares of up to {MAX_IMAGE_SIZE}")
    return height


def _converter_scaling(config: Mapping[str, Any]) -> AffineScaling:
    if config.get("data_format") == "channels_first":
        raise ValueError("channels come first; allowed is last")
    scale, offset = config.get("scale"), config.get("offset")
    if "mean" in config and "variance" in config:
        deviations = [math.sqrt(number) for number in config["variance"]]
        scale = [(1.0 if scale is None else scale) / deviation for deviation in deviations]
        offset = [-mean / deviation for mean, deviation in zip(config["mean"], deviations, strict=True)]
    return AffineScaling(scale=_per_channel(scale, 1.0), offset=_per_channel(offset, 0.0))


def _per_channel(value: Any, default: float) -> tuple[float, ...]:  # noqa: ANN401 - what JSON holds
    """Return one number for all channels, or three; `default` if there is none."""
    values = [default] if value is None else value if isinstance(value, list) else [value]
    numbers = tuple(float(number) for number in values)
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"scaled by {numbers}; allowed is one finite number, or one for each of three channels")
    return numbers
