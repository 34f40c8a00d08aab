"""`zoo cache`: what lies in the cache and how large it is; and room made in it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from zoo.commands.telling import AS_JSON, aligned

if TYPE_CHECKING:
    from zoo.cache import Item

_BUSY: Final = "a running process has locked it"
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def size(text: str) -> int:
    """Return bytes that people write as 500MB, 2.5GB or 0."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", text.strip().upper())
    if not found:
        raise click.BadParameter(f"{text!r} is no size. Write it as 500MB or 2.5GB.")
    return int(float(found[1]) * _UNITS[found[2]])


@click.command()
@click.option("--prune", is_flag=True, help="Choose what nothing refers to.")
@click.option("--max-size", type=size, metavar="SIZE", help="Besides, what was used least lately, until SIZE is left.")
@click.option("--yes", is_flag=True, help="Delete what is chosen; without it, it is only shown.")
@AS_JSON
def cache(prune: bool, max_size: int | None, yes: bool, as_json: bool) -> None:
    """Show what lies in the cache: weights, trunks, features, data, runs and scratch.

    What is deleted can be had again: by a download, or by computing it. What a running process has locked stays, and
    so does what was used in the last 15 minutes.

    \b
    Example:
      zoo cache
      zoo cache --prune --max-size 5GB --yes
    """  # noqa: D301 - click reads the backspace character
    from zoo.cache import items, to_delete

    if yes and not prune and max_size is None:
        raise click.UsageError("--yes is for --prune or --max-size SIZE.")
    found = items()
    asked = prune or max_size is not None
    chosen = to_delete(found, max_size) if asked else []
    gone, stayed = _deleted(chosen) if yes else ([], [])
    if as_json:
        told = [_facts(item) | {"chosen": item in chosen, "deleted": item in gone} for item in found]
        click.echo(json.dumps(told, indent=2))
    elif asked:
        _tell_chosen(chosen, yes)
    else:
        _tell_all(found)
    for item, why in stayed:
        click.echo(f"stays: {item.path} ({why})", err=True)
    if any(why != _BUSY for _, why in stayed):
        sys.exit(1)


def _deleted(chosen: Sequence[Item]) -> tuple[list[Item], list[tuple[Item, str]]]:
    """Delete what is chosen; return what went, and what stayed with the reason."""
    from zoo.cache import delete

    gone: list[Item] = []
    stayed: list[tuple[Item, str]] = []
    for item in chosen:
        try:
            if delete(item):
                gone.append(item)
            else:
                stayed.append((item, _BUSY))
        except OSError as fault:
            stayed.append((item, fault.strerror or str(fault)))
    return gone, stayed


def _facts(item: Item) -> dict[str, Any]:
    used = datetime.fromtimestamp(item.used).astimezone().isoformat(timespec="seconds")
    return asdict(item) | {"path": str(item.path), "used": used}


def _tell_all(found: Sequence[Item]) -> None:
    from zoo.files import cache_root

    if not found:
        click.echo(f"nothing is cached in {cache_root()}.")
        return
    click.echo(aligned([("KIND", "SIZE", "LAST USED", "NAME"), *map(_row, found)]))
    kinds = dict.fromkeys(item.kind for item in found)
    sums = [(kind, _size(item for item in found if item.kind == kind)) for kind in kinds]
    click.echo(f"\n{aligned([*sums, ('all', _size(found)), ('in', str(cache_root()))])}")
    if unneeded := [item for item in found if item.unneeded]:
        click.echo(f"\nNothing refers to {_size(unneeded)} of it; `zoo cache --prune` shows what.", err=True)


def _tell_chosen(chosen: Sequence[Item], done: bool) -> None:
    if not chosen:
        click.echo("there is nothing to delete.")
        return
    why = [item.unneeded or "used least lately" for item in chosen]
    rows = [(*_row(item), reason) for item, reason in zip(chosen, why, strict=True)]
    click.echo(aligned([("KIND", "SIZE", "LAST USED", "NAME", "WHY"), *rows]))
    if done:
        click.echo(f"\n{_size(chosen)} chosen and deleted, but for what is told to stay.", err=True)
    else:
        click.echo(f"\n{_size(chosen)} would be deleted; --yes does it.", err=True)


def _row(item: Item) -> tuple[str, str, str, str]:
    used = datetime.fromtimestamp(item.used).strftime("%Y-%m-%d %H:%M")
    return (item.kind, f"{item.bytes / 1e6:,.1f} MB", used, item.name)


def _size(found: Iterable[Item]) -> str:
    return f"{sum(item.bytes for item in found) / 1e6:,.1f} MB"
