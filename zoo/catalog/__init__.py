"""Every backbone Graft knows, as data: one table per source of weights, joined and sorted here."""

from __future__ import annotations

from typing import Final

from zoo.backbone import Backbone
from zoo.catalog import applications, cv, hub, wheels

CATALOG: Final[tuple[Backbone, ...]] = tuple(
    sorted((*applications.TABLE, *cv.TABLE, *hub.TABLE, *wheels.TABLE), key=lambda backbone: backbone.name)
)
