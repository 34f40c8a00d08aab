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

from zoo.cli.format import JSON_OPTION, align_columns

if TYPE_CHECKING:
    from zoo.manage.cache_eviction import CacheEntry


_LOCKED_REASON: Final = "a running process has locked it"
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_byte_size(text: str) -> int:
    """Return bytes that people write as 500MB, 2.5GB or 0."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", text.strip().upper())
    if not found:
        raise click.BadParameter(f"{text!r} is no size. Write it as 500MB or 2.5GB.")
    return int(float(found[1]) * _UNITS[found[2]])


@click.command()
@click.option("--prune", is_flag=True, help="Choose what nothing refers to.")
@click.option(
    "--max-size", type=parse_byte_size, metavar="SIZE", help="Besides, what was used least lately, until SIZE is left."
)
@click.option("--yes", is_flag=True, help="Delete what is chosen; without it, it is only shown.")
@JSON_OPTION
def cache(prune: bool, max_size: int | None, yes: bool, as_json: bool) -> None:
    """Show what lies in the cache: weights, trunks, features, data, runs and scratch.

    What is deleted can be had again: by a download, or by computing it. What a running process has locked stays, and
    so does what was used in the last 15 minutes.

    \b
    Example:
      zoo cache
      zoo cache --prune --max-size 5GB --yes
    """  # noqa: D301 - click reads the backspace character
    from zoo.manage.cache_eviction import list_cache_entries, select_evictions

    if yes and not prune and max_size is None:
        raise click.UsageError("--yes is for --prune or --max-size SIZE.")
    entries = list_cache_entries()
    is_selecting = prune or max_size is not None
    chosen = select_evictions(entries, max_size) if is_selecting else []
    deleted, kept = _delete_all(chosen) if yes else ([], [])
    if as_json:
        content = [_to_json(item) | {"chosen": item in chosen, "deleted": item in deleted} for item in entries]
        click.echo(json.dumps(content, indent=2))
    elif is_selecting:
        _print_selection(chosen, yes)
    else:
        _print_entries(entries)
    for item, why in kept:
        click.echo(f"stays: {item.path} ({why})", err=True)
    if any(why != _LOCKED_REASON for _, why in kept):
        sys.exit(1)


def _delete_all(chosen: Sequence[CacheEntry]) -> tuple[list[CacheEntry], list[tuple[CacheEntry, str]]]:
    """Delete what is chosen; return what went, and what stayed with the reason."""
    from zoo.manage.cache_eviction import delete_entry

    deleted: list[CacheEntry] = []
    kept: list[tuple[CacheEntry, str]] = []
    for item in chosen:
        try:
            if delete_entry(item):
                deleted.append(item)
            else:
                kept.append((item, _LOCKED_REASON))
        except OSError as fault:
            kept.append((item, fault.strerror or str(fault)))
    return deleted, kept


def _to_json(entry: CacheEntry) -> dict[str, Any]:
    used = datetime.fromtimestamp(entry.used).astimezone().isoformat(timespec="seconds")
    return asdict(entry) | {"path": str(entry.path), "used": used}


def _print_entries(entries: Sequence[CacheEntry]) -> None:
    from graft.storage.cache_root import cache_root

    if not entries:
        click.echo(f"nothing is cached in {cache_root()}.")
        return
    click.echo(align_columns([("KIND", "SIZE", "LAST USED", "NAME"), *map(_row, entries)]))
    kinds = dict.fromkeys(item.kind for item in entries)
    totals = [(kind, _total_size(item for item in entries if item.kind == kind)) for kind in kinds]
    click.echo(f"\n{align_columns([*totals, ('all', _total_size(entries)), ('in', str(cache_root()))])}")
    if unneeded := [item for item in entries if item.unneeded]:
        click.echo(f"\nNothing refers to {_total_size(unneeded)} of it; `zoo cache --prune` shows what.", err=True)


def _print_selection(chosen: Sequence[CacheEntry], is_deleted: bool) -> None:
    if not chosen:
        click.echo("there is nothing to delete.")
        return
    why = [item.unneeded or "used least lately" for item in chosen]
    rows = [(*_row(item), reason) for item, reason in zip(chosen, why, strict=True)]
    click.echo(align_columns([("KIND", "SIZE", "LAST USED", "NAME", "WHY"), *rows]))
    if is_deleted:
        click.echo(f"\n{_total_size(chosen)} chosen and deleted, but for what is told to stay.", err=True)
    else:
        click.echo(f"\n{_total_size(chosen)} would be deleted; --yes does it.", err=True)


def _row(entry: CacheEntry) -> tuple[str, str, str, str]:
    used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
    return (entry.kind, f"{entry.bytes / 1e6:,.1f} MB", used, entry.name)


def _total_size(entries: Iterable[CacheEntry]) -> str:
    return f"{sum(item.bytes for item in entries) / 1e6:,.1f} MB"
