"""311 JPEGs of 12 pseudo-classes, cut from scikit-learn's two photos: a real-image data set that needs no network.

Each photo is divided into three columns and two rows; a picture is a random square out of one of
these twelve regions, perhaps flipped, and its region is its class.

    python -m benchmarks.photos FOLDER [--seed S]      writes FOLDER/REGION/NUMBER.jpg
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.pictures import photos

COUNT, CLASSES = 311, 12
COLUMNS, ROWS = 3, 2


def samples(seed: int = 0) -> list[tuple[bytes, str]]:
    """Return (JPEG file, name of the class), COUNT times, the classes taking turns."""
    rng = np.random.default_rng(seed)
    canvases = [Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos()]
    return [_sample(canvases, number % CLASSES, rng) for number in range(COUNT)]


def write(folder: Path, seed: int = 0) -> None:
    """Write the data set as a folder of class folders."""
    for number, (data, label) in enumerate(samples(seed)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number:03d}.jpg").write_bytes(data)


def _sample(canvases: list[Image.Image], region: int, rng: np.random.Generator) -> tuple[bytes, str]:
    photo, cell = divmod(region, COLUMNS * ROWS)
    row, column = divmod(cell, COLUMNS)
    canvas = canvases[photo]
    wide, high = canvas.width // COLUMNS, canvas.height // ROWS
    side = int(rng.integers(56, 113))
    left = column * wide + int(rng.integers(0, wide - side))
    top = row * high + int(rng.integers(0, high - side))
    crop = canvas.crop((left, top, left + side, top + side))
    if rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file = io.BytesIO()
    crop.save(file, "JPEG", quality=85)
    return file.getvalue(), f"{('china', 'flower')[photo]}-{row}{column}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write 311 JPEGs of 12 pseudo-classes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    wish = parser.parse_args()
    write(wish.folder, wish.seed)
