"""Every backbone Graft knows, as data."""

from zoo.backbone import Backbone

CATALOG: tuple[Backbone, ...] = ()
