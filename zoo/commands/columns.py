"""The table of `zoo list`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zoo.backbone import DEFAULT, Backbone, Pixels
from zoo.commands.telling import aligned
from zoo.finding import kind_of, license_of

UNKNOWN: Final = "unknown"
_HEAD: Final = ("NAME", "INPUT", "FEATURES", "PARAMS", "DOWNLOAD", "TOP-1", "PRECISION", "LICENSE")


def table(found: Sequence[Backbone]) -> str:
    """Return backbones as a table, one a row, and what is to be said below it."""
    said = aligned([_HEAD, *(_row(backbone) for backbone in found)])
    if any(backbone.name == DEFAULT for backbone in found):
        said += f"\n\n{DEFAULT} is the default. `zoo show NAME` tells more."
    return said


def known(number: float | None, form: str) -> str:
    """Return a number as `form` writes it ("{:.1f} MB"), or that it is unknown."""
    return UNKNOWN if number is None else form.format(number)


def millions(params: int | None) -> str:
    """Return a number of parameters as people read it."""
    return known(None if params is None else params / 1e6, "{:.1f} M")


def _row(b: Backbone) -> tuple[str, ...]:
    size = known(b.takes.size, "{0} x {0}") if isinstance(b.takes, Pixels) else known(b.takes.max_tokens, "{} tokens")
    accuracy = "-" if kind_of(b) == "text" else known(b.top1, "{:.1f} %")
    load = known(b.megabytes, "{:.1f} MB")
    return (b.name, size, known(b.width, "{}"), millions(b.params), load, accuracy, str(b.precision), license_of(b))
