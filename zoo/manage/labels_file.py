from __future__ import annotations

from pathlib import Path

from graft.errors import RecipeError


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels in a text file, UTF-8, one a line in the order of the model's outputs.

    Raises:
        RecipeError: it cannot be read, or a label is empty or stands twice.
    """
    try:
        lines = tuple(line.strip() for line in path.read_text("utf-8-sig").rstrip().splitlines())
    except OSError as fault:
        raise RecipeError(f"{path} cannot be read ({fault.strerror}). It holds one label a line.") from None
    except UnicodeDecodeError as fault:
        raise RecipeError(f"{path} cannot be read as UTF-8 text ({fault}). It holds one label a line.") from None
    duplicates = sorted({line for line in lines if lines.count(line) > 1})
    if "" in lines or duplicates or not lines:
        defect = "an empty line" if "" in lines else f"{duplicates[0]!r} twice" if duplicates else "no label"
        raise RecipeError(f"{path} has {defect}. It holds one label a line, each its own, in the order of the outputs.")
    return lines
