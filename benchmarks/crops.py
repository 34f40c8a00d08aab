"""A small data set of real pictures: 311 JPEGs of 12 pseudo-classes, cut from scikit-learn's two photos.

Each photo is laid out in six fields; a class is a field, its pictures are crops of random place, size
and mirroring around it. The same bytes on every run with the same Pillow.

    python -m benchmarks.crops FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

COUNT: Final = 311
ROWS, COLUMNS = 2, 3


def make_crops(folder: Path, count: int = COUNT) -> Path:
    """Write `count` JPEGs into twelve class folders below `folder`, and return it."""
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng(0)
    pixels = load_sample_images().images
    photos = {"china": Image.fromarray(pixels[0]), "flower": Image.fromarray(pixels[1])}
    fields = [(name, row, column) for name in photos for row in range(ROWS) for column in range(COLUMNS)]
    for number in range(count):
        name, row, column = fields[number % len(fields)]
        photo = photos[name]
        high, wide = photo.height / ROWS, photo.width / COLUMNS
        side = random.uniform(0.55, 0.95) * min(high, wide)
        left = (column + random.uniform(-0.1, 1.1)) * wide - side / 2
        top = (row + random.uniform(-0.1, 1.1)) * high - side / 2
        left, top = min(max(left, 0), photo.width - side), min(max(top, 0), photo.height - side)
        crop = photo.resize((320, 320), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
        if random.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        home = folder / f"{name}-{row}{column}"
        home.mkdir(parents=True, exist_ok=True)
        crop.save(home / f"{number:03}.jpg", quality=90)
    return folder


if __name__ == "__main__":
    print(make_crops(Path(sys.argv[1])))
