"""What can be learnt of a label, and the guess which of it is meant."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from finetune.data.tag_cells import TAG_SEPARATORS, find_tag_separator, parse_list
from graft.tables.table import parse_number

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
