"""Presets of KerasCV that were trained on ImageNet or COCO.

`cv.json` is what KerasCV says, written by `python -m zoo.build.hub_table`. Such a network takes pictures of
any size; that of Graft's trunks is the one of KerasCV's own training on ImageNet. It scales pixels by itself, and
says so in its files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from zoo.backbone import Backbone, Pixels, Scaling
from zoo.catalog.preset import CONFIG, WEIGHTS, files, origin_of, paper_of, rows

_SIZE: Final = 224  # https://github.com/keras-team/keras-cv, examples/training/classification/imagenet
_UNTOLD: Final = ("MobileNetV3Backbone", "YOLOV8Backbone")  # families whose number nobody has counted
_HEADS: Final = {"mit_b0_imagenet": 10 * (256 + 1)}  # parameters of a head of ten classes
_TOP1: Final = re.compile(r"([\d.]+)\s*%\s*top[- ]?1")


def _entry(row: Mapping[str, Any]) -> Backbone:
    origin, said, params = origin_of(row["handle"]), _TOP1.search(row["about"]), _params(row)
    return Backbone(
        name=row["name"],
        builder="cv:preset",
        source=files(row["handle"], WEIGHTS, CONFIG),
        library="keras-cv",
        takes=Pixels(size=_SIZE, scaling=Scaling.PRESET),
        width=None,
        params=params,
        ships=None if row["params"] == params else row["params"],
        megabytes=None,
        license=origin.license,
        restricts=origin.restricts,
        paper=paper_of(row["preset"], row["handle"]),
        card=origin.card,
        about=row["about"],
        top1=float(said[1]) if said else None,
    )


def _params(row: Mapping[str, Any]) -> int | None:
    """Return the trunk's parameters where KerasCV's number is known to be theirs, or theirs and those of a head."""
    if row["family"] in _UNTOLD or row["params"] is None:
        return None
    return int(row["params"]) - _HEADS.get(row["preset"], 0)


TABLE: Final = tuple(_entry(row) for row in rows("cv.json"))
