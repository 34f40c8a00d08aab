"""Pictures as they might have been taken, made by Keras's own layers: RandAugment, MixUp and CutMix.

Everything is a pure function of numbers (seed, epoch, step): the state of every layer's generator is assigned
before it is called, so that a run that goes on elsewhere sees the same pictures.

RandAugment (Cubuk et al. 2020) draws the operations of each picture. Keras's layer of that name draws one list
for a whole batch, computes all eleven operations whichever it needs, and turns by up to 180° where this one stays
gentle; so its parts are used instead. A batch is cut into four, and each quarter draws its own operations: two that
warp and one that tints, because two of any kind would leave every third picture as straight as it was.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from finetune.deep.course import Floats

Pictures = NDArray[np.uint8]  # [n,s,s,3]

VERSION: Final = 2  # raised whenever the same numbers would give other pictures
SHARES: Final = 4  # of a batch, each with operations of its own
WARPS, TINTS = 2, 1  # operations of either kind that a picture goes through
_WHITE: Final = (0, 255)

# Gentle enough that a digit or a letter stays the one it is.
_TURNED: Final = 0.04  # of a full turn: 14°
_MOVED: Final = 0.1  # of a side
_SHEARED: Final = 0.15
_ZOOMED: Final = (-0.15, 0.15)

MIXED: Final = 0.5  # share of the batches that are mixed, where they are at all
_ALPHA: Final = 0.2  # of MixUp: most pictures keep most of themselves


class _Operation:
    """A layer as a graph, and a pure function of the numbers that are drawn."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        self._layer = layer
        self._graph = tf.function(lambda x: layer(x, training=True), reduce_retracing=True)

    def __call__(self, x: Floats, random: np.random.Generator) -> Floats:
        seed_layer(self._layer, random)
        made: Floats = self._graph(x).numpy()
        return made


class Augment:
    """uint8 [n,s,s,3] -> as many, changed; safe to call from several threads."""

    def __init__(self, flips: bool) -> None:
        """With `flips` half of the pictures are seen in a mirror: not for digits, letters, or left and right."""
        layers, edge = keras.layers, {"fill_mode": "reflect", "dtype": "float32"}
        light = {"value_range": _WHITE, "dtype": "float32"}
        warps = (
            layers.RandomRotation(_TURNED, **edge),
            layers.RandomTranslation(_MOVED, _MOVED, **edge),
            layers.RandomShear(_SHEARED, _SHEARED, **edge),
            layers.RandomZoom(_ZOOMED, _ZOOMED, **edge),
        )
        tints = (
            layers.RandomBrightness(0.3, **light),
            layers.RandomContrast(0.4, **light),
            layers.RandomColorDegeneration(0.6, **light),
            layers.RandomSharpness(0.6, **light),
            layers.RandomPosterization((4, 8), **light),
            layers.AutoContrast(**light),
            layers.Equalization(**light),
        )
        self._kinds = ((WARPS, [_Operation(layer) for layer in warps]), (TINTS, [_Operation(layer) for layer in tints]))
        self._flips, self.name = flips, "flipped" if flips else "straight"
        self._lock = threading.Lock()

    def __call__(self, pictures: Pictures, key: tuple[int, ...]) -> Pictures:
        """Return `pictures`, changed as the numbers in `key` say; their own order does not change."""
        random = np.random.default_rng(key)
        with self._lock, tf.device("CPU:0"):
            made = pictures.astype(np.float32)
            if self._flips:
                mirrored = random.random(len(made)) < 0.5
                made[mirrored] = made[mirrored, :, ::-1]
            for rows in np.array_split(np.arange(len(made)), min(SHARES, len(made))):
                for count, kind in self._kinds:
                    for number in random.choice(len(kind), count, replace=False).tolist():
                        made[rows] = kind[number](made[rows], random)
        return np.clip(np.rint(made), *_WHITE).astype(np.uint8)


class Mixing:
    """Batches whose samples are mixed in pairs: MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019).

    Maps inside a network are mixed like pictures (manifold mixup: Verma et al. 2019).
    """

    def __init__(self) -> None:
        self._layers = (
            keras.layers.MixUp(alpha=_ALPHA, dtype="float32"),
            keras.layers.CutMix(factor=1.0, dtype="float32"),
        )
        self._lock = threading.Lock()

    def __call__(
        self, x: NDArray[Any], y: Floats, weight: Floats, key: tuple[int, ...]
    ) -> tuple[NDArray[Any], Floats, Floats]:
        """Return `x` [n,h,w,c], `y` [n,k] and `weight` [n], mixed as the numbers in `key` say, or as they are.

        What is whole numbers stays so. A loss that is linear in `y` is mixed as if it were computed for both.
        """
        random = np.random.default_rng(key)
        if random.random() >= MIXED:
            return x, y, weight
        layer = self._layers[int(random.integers(len(self._layers)))]
        columns = np.concatenate([y * weight[:, None], weight[:, None]], 1)
        with self._lock, tf.device("CPU:0"):
            seed_layer(layer, random)
            mixed = layer({"images": x.astype(np.float32), "labels": columns}, training=True)
        made, columns = mixed["images"].numpy(), mixed["labels"].numpy()
        if x.dtype == np.uint8:
            made = np.rint(made)
        weight = columns[:, -1]
        return made.astype(x.dtype), columns[:, :-1] / np.maximum(weight, 1e-9)[:, None], weight


def seed_layer(layer: keras.layers.Layer, random: np.random.Generator) -> None:
    """Let the generator of a layer, if it has one, begin where `random` says."""
    generator = getattr(layer, "generator", None)
    if generator is not None:
        generator.state.assign(random.integers(0, 2**31, 2).astype(np.uint32))
