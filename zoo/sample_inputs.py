"""Built-in sample inputs: two photos of scikit-learn, random crops of them, and sentences.

They are used for parity checks, for int8 calibration, and as golden samples where no private data may be kept. The
photos are read as files: scikit-learn itself is not imported.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graft.errors import MissingExtra
from graft.inputs.image import ImageInput

_PHOTO_FILES: Final = ("china.jpg", "flower.jpg")
PHOTO_CREDIT: Final = (  # required by their licence; from the README beside them
    "china.jpg by danielbuechele and flower.jpg by vultilion (flickr.com), CC BY 2.0, from scikit-learn"
)
_CANVAS_SIZE: Final = 640  # the longer side of both photos in pixels

SAMPLE_SENTENCES: Final = (
    "The quick brown fox jumps over the lazy dog.",
    "Shares of the company fell by 12.5 percent after the quarterly report.",
    "Wo ist der Bahnhof, bitte? Er ist gleich um die Ecke.",
    "The film was long, loud and a great pleasure.",
    "El tren sale a las siete y media de la mañana.",
    "Mix two cups of flour with a pinch of salt, then add the eggs one by one.",
    "The committee postponed its decision until next Thursday.",
    "Le café était fermé, mais la boulangerie restait ouverte.",
    "She could not log in: the server answered with error 503.",
    "Protons and neutrons make up the nucleus of an atom.",
    "Two goals in the last minute turned the match around.",
    "My order arrived broken and nobody answers my e-mails!",
    "Rain is expected in the north, with winds of up to 80 km/h.",
    "The treaty was signed in 1648 and ended thirty years of war.",
    "Please find attached the invoice for our services in March.",
    "日本語の短い文です。",
)


def load_photos() -> tuple[bytes, ...]:
    """Return the two photos as the bytes of JPEG files.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise MissingExtra(
            'two photos of scikit-learn are needed, which is not installed. Run: pip install "keras-graft[train]"'
        )
    folder = Path(spec.origin).parent / "datasets" / "images"
    return tuple((folder / name).read_bytes() for name in _PHOTO_FILES)


def random_photo_crops(count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """Return random crops of the photos, some flipped, uint8 [count,size,size,3]."""
    rng = np.random.default_rng(seed)
    canvases = [ImageInput(_CANVAS_SIZE)(photo) for photo in load_photos()]
    resize = ImageInput(size).resize_array
    return np.stack([resize(_random_crop(canvases[index % len(canvases)], rng)) for index in range(count)])


def jitter_colors(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Return images, uint8 [n,s,s,3], with random brightness, contrast and tint each (colour jitter)."""
    rng = np.random.default_rng(seed)
    count = len(images)
    contrast, brightness = rng.uniform(0.6, 1.4, (count, 1, 1, 1)), rng.uniform(-40, 40, (count, 1, 1, 1))
    tint = rng.uniform(0.85, 1.15, (count, 1, 1, 3))
    jittered = ((images - 128.0) * contrast + 128.0 + brightness) * tint
    return np.clip(np.rint(jittered), 0, 255).astype(np.uint8)


def _random_crop(canvas: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    side = int(rng.integers(_CANVAS_SIZE // 5, _CANVAS_SIZE))
    top, left = (int(at) for at in rng.integers(0, _CANVAS_SIZE - side + 1, 2))
    crop = canvas[top : top + side, left : left + side]
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)
