"""Presets of KerasCV that were trained on ImageNet or COCO.

`cv.json` is what KerasCV says, written by `python -m zoo.build.hub_table`. Such a network takes pictures of any size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from zoo.backbone import Backbone, Pixels, Scaling
from zoo.catalog.preset import CONFIG, WEIGHTS, files, origin_of, paper_of, rows

_TOP1: Final = re.compile(r"([\d.]+)\s*%\s*top[- ]?1")


def _entry(row: Mapping[str, Any]) -> Backbone:
    origin, said = origin_of(row["handle"]), _TOP1.search(row["about"])
    return Backbone(
        name=row["name"],
        builder="cv:preset",
        source=files(row["handle"], WEIGHTS, CONFIG),
        library="keras-cv",
        takes=Pixels(size=None, scaling=Scaling.PRESET),
        width=None,
        params=row["params"],
        megabytes=None,
        license=origin.license,
        restricts=origin.restricts,
        paper=paper_of(row["preset"], row["handle"]),
        card=origin.card,
        about=row["about"],
        top1=float(said[1]) if said else None,
        cannot="a preset of KerasCV tells no size of its pictures, and no builder here knows one",
    )


TABLE: Final = tuple(_entry(row) for row in rows("cv.json"))
