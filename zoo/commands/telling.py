"""What the commands share of what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from zoo.backbone import Backbone, ImageSpec, WheelSource

JSON_OPTION: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

PROGRESS_OPTION: Final = click.option(
    "--progress",
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    show_default=True,
    help="How progress is told, on standard error.",
)


UNKNOWN: Final = "unknown"


def describe_input(backbone: Backbone) -> str:
    """Return dtype and shape of what a backbone takes."""
    if not isinstance(backbone.takes, ImageSpec):
        return "int32 [n,t]"
    return (
        "uint8 [n,s,s,3]" if backbone.takes.size is None else f"uint8 [n,{backbone.takes.size},{backbone.takes.size},3]"
    )


def format_or_unknown(number: float | None, template: str) -> str:
    """Return a number as `template` writes it ("{:.1f} MB"), or that it is unknown."""
    return UNKNOWN if number is None else template.format(number)


def describe_params(backbone: Backbone) -> str:
    """Return how many parameters a backbone has, or at most about has, or that it is unknown."""
    return format_or_unknown(backbone.params or backbone.ships, "{:,}" if backbone.params else "at most about {:,}")


def license_rows(backbone: Backbone) -> list[tuple[str, str]]:
    """Return what is to be said of the licences, as rows."""
    carrier = (
        [("carrier", f"{backbone.source.package}, {backbone.source.license}")]
        if isinstance(backbone.source, WheelSource)
        else []
    )
    return [
        ("license", backbone.license or UNKNOWN),
        *carrier,
        (
            "restricts",
            backbone.restricts or (UNKNOWN if backbone.license is None else "nothing beyond the licence's notice"),
        ),
    ]


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns; nothing is cut off, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
