"""The task of a model, guessed from the labels: classify, tag (multi-label), regress or embed; and parsing of tags."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

from graft.tables.table import parse_number

TAG_SEPARATORS: Final = (";", "|")
MAX_NUMERIC_CLASSES: Final = 20  # up to this many distinct whole numbers are classes; more are a regression


class Task(StrEnum):
    """The kind of answer that a model gives."""

    CLASSIFY = "classify"  # one of several classes
    TAG = "tag"  # any number of several tags
    REGRESS = "regress"  # a number
    EMBED = "embed"  # the features themselves; nothing is trained


def guess_task(column: str, labels: Sequence[str]) -> tuple[Task, str]:
    """Return the task that the labels of a table suggest, and a note for the log ("" if obvious).

    Lists, or recurring parts between separators, are tags; many distinct numbers are a regression; anything else is
    a class.

    >>> guess_task("stars", ["4.5", "3.25", "1.0"])[0]
    <Task.REGRESS: 'regress'>
    """
    distinct = set(labels)
    if any(parse_list(label) is not None for label in distinct):
        return Task.TAG, f"{column} holds lists: used as tags (--task classify uses each list as one class)."
    if separator := find_tag_separator(distinct):
        return Task.TAG, (
            f"{column} holds parts between {separator!r}: used as tags (--task classify uses each label as one class)."
        )
    numbers = [number for label in distinct if (number := parse_number(label)) is not None]
    if not distinct or len(numbers) < len(distinct):
        unused_separator = next(
            (separator for separator in TAG_SEPARATORS for label in distinct if separator in label), None
        )
        return Task.CLASSIFY, (
            f"{column} holds {unused_separator!r} in labels whose parts do not recur: used as classes "
            "(--task tag splits them)."
            if unused_separator
            else ""
        )
    whole = all(number.is_integer() for number in numbers)
    if whole and len(distinct) <= MAX_NUMERIC_CLASSES:
        return Task.CLASSIFY, (
            f"{column} holds {len(distinct)} distinct whole numbers: used as classes "
            "(--task regress uses them as numbers)."
        )
    return Task.REGRESS, (
        f"{column} holds {len(distinct):,} distinct numbers: used as numbers (--task classify uses them as classes)."
    )


def parse_list(label: str) -> tuple[str, ...] | None:
    """Return the entries of a label that is a list in JSON or Python syntax; None if it is not."""
    if not (label.startswith("[") and label.endswith("]")):
        return None
    try:
        entries = json.loads(label)
    except (ValueError, RecursionError):
        try:
            entries = ast.literal_eval(label)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    plain = isinstance(entries, list) and all(isinstance(entry, str | int | float) for entry in entries)
    return tuple(str(entry).strip() for entry in entries) if plain else None


def find_tag_separator(labels: Collection[str]) -> str | None:
    """Return the separator between tags, if any: its parts recur, so there are fewer parts than distinct labels."""
    for separator in TAG_SEPARATORS:
        if any(separator in label for label in labels):
            parts = {part.strip() for label in labels for part in label.split(separator)} - {""}
            if len(parts) < len(labels):
                return separator
    return None


def parse_tags(label: str, separator: str | None) -> tuple[str, ...]:
    """Return the distinct tags of a label, sorted: entries of a list, or parts between separators.

    >>> parse_tags("red; round;red", ";")
    ('red', 'round')
    """
    entries = parse_list(label)
    if entries is None:
        entries = tuple(part.strip() for part in (label.split(separator) if separator else [label]))
    return tuple(sorted({entry for entry in entries if entry}))
