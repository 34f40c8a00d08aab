"""Every backbone Graft knows, as data: one table per source of weights, joined and sorted here."""

from __future__ import annotations

from typing import Final

from zoo.catalog import keras_applications_backbones, keras_cv_backbones, keras_hub_backbones, wheel_backbones
from zoo.catalog.backbone import Backbone

CATALOG: Final[tuple[Backbone, ...]] = tuple(
    sorted(
        (
            *keras_applications_backbones.BACKBONES,
            *keras_cv_backbones.BACKBONES,
            *keras_hub_backbones.BACKBONES,
            *wheel_backbones.BACKBONES,
        ),
        key=lambda backbone: backbone.name,
    )
)
