"""`zoo cache`: report what is cached and how large it is, and delete from it (eviction)."""

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
    """Return a size in bytes that is written as 500MB, 2.5GB or 0.

    >>> parse_byte_size("2.5GB")
    2500000000
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", text.strip().upper())
    if not match:
        raise click.BadParameter(f"{text!r} is not a size. Write it as 500MB or 2.5GB.")
    return int(float(match[1]) * _UNITS[match[2]])


@click.command()
@click.option("--prune", is_flag=True, help="Select what nothing refers to.")
@click.option(
    "--max-size", type=parse_byte_size, metavar="SIZE", help="Also select the least recently used, until SIZE is left."
)
@click.option("--yes", is_flag=True, help="Delete the selection; without it, it is only shown.")
@JSON_OPTION
def cache(prune: bool, max_size: int | None, yes: bool, as_json: bool) -> None:
    """Show or prune the cache: weights, trunks, features, data, runs and scratch.

    What is deleted can be downloaded or computed again. Entries that a running process has locked stay, and so do those
    used in the last 15 minutes.

    \b
    Example:
      zoo cache
      zoo cache --prune --max-size 5GB --yes
    """  # noqa: D301 - click reads the backspace character
    from zoo.manage.cache_eviction import list_cache_entries, select_evictions

    if yes and not prune and max_size is None:
        raise click.UsageError("--yes needs --prune or --max-size SIZE.")
    entries = list_cache_entries()
    is_selecting = prune or max_size is not None
    chosen = select_evictions(entries, max_size) if is_selecting else []
    deleted, undeleted = _delete_all(chosen) if yes else ([], [])
    if as_json:
        content = [_to_json(item) | {"chosen": item in chosen, "deleted": item in deleted} for item in entries]
        click.echo(json.dumps(content, indent=2))
    elif is_selecting:
        _print_selection(chosen, yes)
    else:
        _print_entries(entries)
    for item, reason in undeleted:
        click.echo(f"not deleted: {item.path} ({reason})", err=True)
    if any(reason != _LOCKED_REASON for _, reason in undeleted):
        sys.exit(1)


def _delete_all(chosen: Sequence[CacheEntry]) -> tuple[list[CacheEntry], list[tuple[CacheEntry, str]]]:
    """Delete the chosen entries; return those deleted, and the others with the reason."""
    from zoo.manage.cache_eviction import delete_entry

    deleted: list[CacheEntry] = []
    undeleted: list[tuple[CacheEntry, str]] = []
    for item in chosen:
        try:
            if delete_entry(item):
                deleted.append(item)
            else:
                undeleted.append((item, _LOCKED_REASON))
        except OSError as fault:
            undeleted.append((item, fault.strerror or str(fault)))
    return deleted, undeleted


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
    rows = [(*_row(item), item.unneeded or "least recently used") for item in chosen]
    click.echo(align_columns([("KIND", "SIZE", "LAST USED", "NAME", "WHY"), *rows]))
    if is_deleted:
        click.echo(f"\n{_total_size(chosen)} selected and deleted, except for what is listed below.", err=True)
    else:
        click.echo(f"\n{_total_size(chosen)} would be deleted; --yes does it.", err=True)


def _row(entry: CacheEntry) -> tuple[str, str, str, str]:
    used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
    return (entry.kind, f"{entry.bytes / 1e6:,.1f} MB", used, entry.name)


def _total_size(entries: Iterable[CacheEntry]) -> str:
    return f"{sum(item.bytes for item in entries) / 1e6:,.1f} MB"
