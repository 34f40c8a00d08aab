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
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from graft.types import Float32Array

Pictures = NDArray[np.uint8]  # [n,s,s,3]

VERSION: Final = 2  # raised whenever the same numbers would give other pictures
GROUPS_PER_BATCH: Final = 4  # of a batch, each with operations of its own
WARPS_PER_IMAGE, TINTS_PER_IMAGE = 2, 1  # operations of either kind that a picture goes through
_VALUE_RANGE: Final = (0, 255)

# Gentle enough that a digit or a letter stays the one it is.
_ROTATION: Final = 0.04  # of a full turn: 14°
_TRANSLATION: Final = 0.1  # of a side
_SHEAR: Final = 0.15
_ZOOM: Final = (-0.15, 0.15)

MIX_PROBABILITY: Final = 0.5  # share of the batches that are mixed, where they are at all
_MIXUP_ALPHA: Final = 0.2  # of MixUp: most pictures keep most of themselves

MAX_FLIP_TEST_IMAGES: Final = 300  # pictures
MIN_FLIP_TEST_IMAGES: Final = 100  # with less there is no telling, and none is flipped
MIN_STANDARD_ERRORS: Final = 3.0  # standard errors by which guesses must be better than chance
_INVERSE_REGULARIZATION: Final = 0.01  # C of the logistic regression
_BATCH: Final = 20


class _AugmentOp:
    """A layer as a graph, and a pure function of the numbers that are drawn."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        self._layer = layer
        self._graph = tf.function(lambda x: layer(x, training=True), reduce_retracing=True)

    def __call__(self, x: Float32Array, rng: np.random.Generator) -> Float32Array:
        seed_layer(self._layer, rng)
        augmented: Float32Array = self._graph(x).numpy()
        return augmented


class RandAugment:
    """uint8 [n,s,s,3] -> as many, changed; safe to call from several threads."""

    def __init__(self, flips: bool) -> None:
        """With `flips` half of the pictures are seen in a mirror: not for digits, letters, or left and right."""
        layers, edge = keras.layers, {"fill_mode": "reflect", "dtype": "float32"}
        light = {"value_range": _VALUE_RANGE, "dtype": "float32"}
        warps = (
            layers.RandomRotation(_ROTATION, **edge),
            layers.RandomTranslation(_TRANSLATION, _TRANSLATION, **edge),
            layers.RandomShear(_SHEAR, _SHEAR, **edge),
            layers.RandomZoom(_ZOOM, _ZOOM, **edge),
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
        self._op_groups = (
            (WARPS_PER_IMAGE, [_AugmentOp(layer) for layer in warps]),
            (TINTS_PER_IMAGE, [_AugmentOp(layer) for layer in tints]),
        )
        self._flips, self.variant = flips, "flipped" if flips else "straight"
        self._lock = threading.Lock()

    def __call__(self, images: Pictures, key: tuple[int, ...]) -> Pictures:
        """Return `images`, changed as the numbers in `key` say; their own order does not change."""
        rng = np.random.default_rng(key)
        with self._lock, tf.device("CPU:0"):
            result = images.astype(np.float32)
            if self._flips:
                flip_mask = rng.random(len(result)) < 0.5
                result[flip_mask] = result[flip_mask, :, ::-1]
            for rows in np.array_split(np.arange(len(result)), min(GROUPS_PER_BATCH, len(result))):
                for count, ops in self._op_groups:
                    for index in rng.choice(len(ops), count, replace=False).tolist():
                        result[rows] = ops[index](result[rows], rng)
        return np.clip(np.rint(result), *_VALUE_RANGE).astype(np.uint8)


class MixUpCutMix:
    """Batches whose samples are mixed in pairs: MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019).

    Maps inside a network are mixed like pictures (manifold mixup: Verma et al. 2019).
    """

    def __init__(self) -> None:
        self._layers = (
            keras.layers.MixUp(alpha=_MIXUP_ALPHA, dtype="float32"),
            keras.layers.CutMix(factor=1.0, dtype="float32"),
        )
        self._lock = threading.Lock()

    def __call__(
        self, x: NDArray[Any], y: Float32Array, weight: Float32Array, key: tuple[int, ...]
    ) -> tuple[NDArray[Any], Float32Array, Float32Array]:
        """Return `x` [n,h,w,c], `y` [n,k] and `weight` [n], mixed as the numbers in `key` say, or as they are.

        What is whole numbers stays so. A loss that is linear in `y` is mixed as if it were computed for both.
        """
        rng = np.random.default_rng(key)
        if rng.random() >= MIX_PROBABILITY:
            return x, y, weight
        layer = self._layers[int(rng.integers(len(self._layers)))]
        columns = np.concatenate([y * weight[:, None], weight[:, None]], 1)
        with self._lock, tf.device("CPU:0"):
            seed_layer(layer, rng)
            mixed = layer({"images": x.astype(np.float32), "labels": columns}, training=True)
        images, columns = mixed["images"].numpy(), mixed["labels"].numpy()
        if x.dtype == np.uint8:
            images = np.rint(images)
        weight = columns[:, -1]
        return images.astype(x.dtype), columns[:, :-1] / np.maximum(weight, 1e-9)[:, None], weight


def seed_layer(layer: keras.layers.Layer, rng: np.random.Generator) -> None:
    """Let the generator of a layer, if it has one, begin where `rng` says."""
    generator = getattr(layer, "generator", None)
    if generator is not None:
        generator.state.assign(rng.integers(0, 2**31, 2).astype(np.uint32))


def can_flip(trunk: keras.Model, images: Pictures) -> bool:
    """Say whether `images`, uint8 [n,s,s,3], cannot be told from their mirror images by what `trunk` says of them.

    It is a logistic regression's guess, in five folds that keep a picture and its image together. Measured:
    65 % right on handwritten digits, 51 % on photographs.
    """
    count = min(MAX_FLIP_TEST_IMAGES, len(images))
    if count < MIN_FLIP_TEST_IMAGES:
        return False
    sampled_images = np.stack([images[row] for row in np.linspace(0, len(images) - 1, count).astype(int).tolist()])
    batch_features = [
        trunk.predict_on_batch(sampled_images[at : at + _BATCH, :, ::direction])
        for direction in (1, -1)
        for at in range(0, count, _BATCH)
    ]
    features = np.concatenate(batch_features).astype(np.float64)
    features = (features - features.mean(0)) / (features.std(0) + 1e-3 * features.std() + 1e-9)
    is_mirrored, image_id = np.repeat([0, 1], count), np.tile(np.arange(count), 2)
    with threadpool_limits(1, "blas"):
        predicted_labels = cross_val_predict(
            LogisticRegression(C=_INVERSE_REGULARIZATION, max_iter=300),
            features,
            is_mirrored,
            groups=image_id,
            cv=GroupKFold(5),
        )
    accuracy = float((predicted_labels == is_mirrored).mean())
    return bool(accuracy < 0.5 + MIN_STANDARD_ERRORS * 0.5 / np.sqrt(len(is_mirrored)))
