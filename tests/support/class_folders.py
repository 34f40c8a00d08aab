"""Folders of class folders with noisy images of one colour each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.fakes import encode

COLORS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def noisy(color: tuple[int, int, int], seed: int, format: str = "PNG") -> bytes:
    """A picture of 24x20 pixels around one colour, no two alike."""
    random = np.random.default_rng(seed)
    shade = np.asarray(color) + random.normal(0, 25, 3)
    return encode(np.clip(shade + random.normal(0, 30, (20, 24, 3)), 0, 255).astype(np.uint8), format)


def fill(folder: Path, each: int = 8, first: int = 0, format: str = "PNG") -> Path:
    """Write `each` pictures for every colour into class folders below `folder`, and return it."""
    for at, (name, color) in enumerate(COLORS.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + each):
            path = folder / name / f"{number:02}.{format.lower()}"
            path.write_bytes(noisy(color, 1000 * at + number, format))
    return folder
