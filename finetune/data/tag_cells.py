from __future__ import annotations

import ast
import json
from collections.abc import Collection
from typing import Final

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
