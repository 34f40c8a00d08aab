"""Image augmentation: RandAugment, MixUp and CutMix with Keras's layers; and whether images may be flipped.

Everything is a pure function of numbers (seed, epoch, step): the state of each layer's random generator is assigned
before the layer is called, so that a resumed run gets the same images.

RandAugment (Cubuk et al. 2020) draws random operations for an image. Keras's layer of that name draws one list for a
whole batch, computes all eleven operations whether used or not, and rotates by up to 180°; so its parts are used here,
with smaller magnitudes. A batch is split into four groups, each with its own operations: two geometric ones and one of
colour, because two of any kind would leave every third image without a geometric change.

Flips are decided from the data: where an image can be told from its mirror image, as text and digits can, its
orientation means something (Lin et al. 2020, "Visual chirality"), and flipped images would never be sent. The accuracy
of a head on flipped images is no such test: networks trained on flipped photos recognise a mirrored 2.
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

UInt8Images = NDArray[np.uint8]  # [n,s,s,3]

VERSION: Final = 2  # raised when the same numbers would give other images; part of cache keys
GROUPS_PER_BATCH: Final = 4  # each with its own operations
WARPS_PER_IMAGE, TINTS_PER_IMAGE = 2, 1  # geometric and colour operations for an image
_VALUE_RANGE: Final = (0, 255)

# Small enough that a digit or a letter remains recognisable.
_ROTATION: Final = 0.04  # of a full turn: 14°
_TRANSLATION: Final = 0.1  # of a side
_SHEAR: Final = 0.15
_ZOOM: Final = (-0.15, 0.15)

MIX_PROBABILITY: Final = 0.5  # share of the batches that are mixed, if mixing is on
_MIXUP_ALPHA: Final = 0.2  # of MixUp: most images keep most of their pixels

MAX_FLIP_TEST_IMAGES: Final = 300  # images
MIN_FLIP_TEST_IMAGES: Final = 100  # with fewer images the test is not reliable, and none is flipped
MIN_STANDARD_ERRORS: Final = 3.0  # standard errors above chance: then orientation means something
_INVERSE_REGULARIZATION: Final = 0.01  # C of the logistic regression
_BATCH: Final = 20


class _AugmentOp:
    """A Keras layer as a graph, with its random numbers drawn from the caller's generator."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        self._layer = layer
        self._graph = tf.function(lambda x: layer(x, training=True), reduce_retracing=True)

    def __call__(self, x: Float32Array, rng: np.random.Generator) -> Float32Array:
        seed_layer(self._layer, rng)
        augmented: Float32Array = self._graph(x).numpy()
        return augmented


class RandAugment:
    """Augment images, uint8 [n,s,s,3] -> uint8 [n,s,s,3]. Thread-safe."""

    def __init__(self, flips: bool) -> None:
        """With `flips`, flip half of the images horizontally: wrong for digits, letters, or left and right."""
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

    def __call__(self, images: UInt8Images, key: tuple[int, ...]) -> UInt8Images:
        """Return `images` uint8 [n,s,s,3] augmented, in the same order; `key` seeds all random numbers."""
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
    """Mix the samples of a batch in pairs, by MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019).

    Activations inside a network are mixed like images (manifold mixup: Verma et al. 2019).
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
        """Return `x` [n,h,w,c], `y` float32 [n,k] and `weight` float32 [n], mixed or unchanged.

        `x` keeps its dtype, uint8 or a float. A loss that is linear in `y` becomes the mixture of both samples' losses.
        `key` seeds all random numbers, and whether this batch is mixed.
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
    """Seed the random generator of a Keras layer, if it has one, from `rng`."""
    generator = getattr(layer, "generator", None)
    if generator is not None:
        generator.state.assign(rng.integers(0, 2**31, 2).astype(np.uint32))


def can_flip(trunk: keras.Model, images: UInt8Images) -> bool:
    """Return whether `images`, uint8 [n,s,s,3], may be flipped: a classifier cannot tell them from their mirror images.

    The classifier is a logistic regression on the features of `trunk`, cross-validated in five folds that keep an
    image and its mirror image together. Measured accuracy: 65 % on handwritten digits, 51 % on photos.
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
