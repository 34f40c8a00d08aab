"""What can be learnt of a label, and the guess which of it is meant."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

from graft.tables.table import parse_number

TAG_SEPARATORS: Final = (";", "|")


def parse_list(label: str) -> tuple[str, ...] | None:
    """Return the entries of a list that `label` writes in JSON or Python; None if it writes none."""
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
    """Return the separator whose parts recur: there are fewer distinct parts than distinct labels."""
    for separator in TAG_SEPARATORS:
        if any(separator in label for label in labels):
            parts = {part.strip() for label in labels for part in label.split(separator)} - {""}
            if len(parts) < len(labels):
                return separator
    return None


def parse_tags(label: str, separator: str | None) -> tuple[str, ...]:
    """Return the distinct tags that `label` writes, as a list or between separators, sorted; perhaps none."""
    entries = parse_list(label)
    if entries is None:
        entries = tuple(part.strip() for part in (label.split(separator) if separator else [label]))
    return tuple(sorted({entry for entry in entries if entry}))


MAX_NUMERIC_CLASSES: Final = 20  # distinct whole numbers up to which numbers are taken as classes


class Task(StrEnum):
    """What a model answers."""

    CLASSIFY = "classify"  # one of several classes
    TAG = "tag"  # any number of several tags
    REGRESS = "regress"  # a number
    EMBED = "embed"  # the features themselves; nothing is learnt


def guess_task(column: str, labels: Sequence[str]) -> tuple[Task, str]:
    """Return the task that the labels of a table suggest, and one sentence that says so.

    Lists, or parts between separators that recur, are tags; many distinct numbers are a number to learn;
    anything else is a class.
    """
    distinct = set(labels)
    if any(parse_list(label) is not None for label in distinct):
        return Task.TAG, f"{column} holds lists: taken as tags (--task classify takes each list as one class)."
    if separator := find_tag_separator(distinct):
        return Task.TAG, (
            f"{column} holds parts between {separator!r}: taken as tags (--task classify takes each as one class)."
        )
    numbers = [number for label in distinct if (number := parse_number(label)) is not None]
    if not distinct or len(numbers) < len(distinct):
        unused_separator = next(
            (separator for separator in TAG_SEPARATORS for label in distinct if separator in label), None
        )
        return Task.CLASSIFY, (
            f"{column} holds {unused_separator!r} in labels whose parts do not recur: taken as classes (--task tag cuts them)."
            if unused_separator
            else ""
        )
    whole = all(number.is_integer() for number in numbers)
    if whole and len(distinct) <= MAX_NUMERIC_CLASSES:
        return Task.CLASSIFY, (
            f"{column} holds {len(distinct)} distinct whole numbers: taken as classes "
            "(--task regress takes them as numbers)."
        )
    return Task.REGRESS, (
        f"{column} holds {len(distinct):,} distinct numbers: taken as numbers (--task classify takes them as classes)."
    )
