"""What the commands share of what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from zoo.backbone import Backbone, Pixels, WheelSource

AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

PROGRESS: Final = click.option(
    "--progress",
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    show_default=True,
    help="How progress is told, on standard error.",
)


UNKNOWN: Final = "unknown"


def takes(b: Backbone) -> str:
    """Return dtype and shape of what a backbone takes."""
    if not isinstance(b.takes, Pixels):
        return "int32 [n,t]"
    return "uint8 [n,s,s,3]" if b.takes.size is None else f"uint8 [n,{b.takes.size},{b.takes.size},3]"


def known(number: float | None, form: str) -> str:
    """Return a number as `form` writes it ("{:.1f} MB"), or that it is unknown."""
    return UNKNOWN if number is None else form.format(number)


def params_of(b: Backbone) -> str:
    """Return how many parameters a backbone has, or at most about has, or that it is unknown."""
    return known(b.params or b.ships, "{:,}" if b.params else "at most about {:,}")


def licenses(b: Backbone) -> list[tuple[str, str]]:
    """Return what is to be said of the licences, as rows."""
    carrier = [("carrier", f"{b.source.package}, {b.source.license}")] if isinstance(b.source, WheelSource) else []
    return [
        ("license", b.license or UNKNOWN),
        *carrier,
        ("restricts", b.restricts or (UNKNOWN if b.license is None else "nothing beyond the licence's notice")),
    ]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns; nothing is cut off, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
