"""RandAugment, MixUp and CutMix: deterministic for a seed, and gentle enough to keep an image recognisable; flips."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.deep.images.augment import MixUpCutMix, RandAugment
from zoo.sample_inputs import random_photo_crops

IMAGES = random_photo_crops(8, 40, seed=1)
STRAIGHT, FLIPPED = RandAugment(flips=False), RandAugment(flips=True)


def test_augmentation_is_deterministic_for_a_seed() -> None:
    first = FLIPPED(IMAGES, (3, 1, 4))
    assert not np.array_equal(FLIPPED(IMAGES, (3, 1, 5)), first)
    assert np.array_equal(FLIPPED(IMAGES, (3, 1, 4)), first)
    assert np.array_equal(RandAugment(flips=True)(IMAGES, (3, 1, 4)), first)


def test_augmentation_keeps_images_recognisable_and_in_order() -> None:
    mean = np.mean([STRAIGHT(IMAGES, (0, key)) for key in range(12)], 0)
    assert mean.shape == IMAGES.shape
    assert STRAIGHT(IMAGES, (0,)).dtype == np.uint8
    distances = np.abs(mean[:, None] - IMAGES[None].astype(float)).mean((2, 3, 4))
    assert (distances.argmin(1) == np.arange(len(IMAGES))).all()


def test_augmentation_changes_each_image_differently() -> None:
    same = np.repeat(IMAGES[:1], 8, axis=0)
    augmented = STRAIGHT(same, (9,))
    assert len({image.tobytes() for image in augmented}) >= 4


def test_augmentation_flips_only_if_allowed() -> None:
    half = np.zeros((8, 40, 40, 3), np.uint8)
    half[:, :, :8] = 255  # a bar on the left

    def on_the_right(augment: RandAugment) -> int:
        images = np.concatenate([augment(half, (key,)) for key in range(8)]).astype(float)
        return int((images[:, :, 24:].mean((1, 2, 3)) > images[:, :, :16].mean((1, 2, 3)) + 20).sum())

    assert on_the_right(STRAIGHT) == 0
    assert 16 <= on_the_right(FLIPPED) <= 48


def one_hot(n: int = 8) -> np.ndarray:
    return np.eye(4, dtype=np.float32)[np.arange(n) % 4]


def mixed_batches(x: np.ndarray, weight: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    results = [MixUpCutMix()(x, one_hot(), weight, (key,)) for key in range(12)]
    return [result for result in results if not np.array_equal(result[0], x)]


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_mixup_and_cutmix_mix_labels_like_pixels(dtype: type) -> None:
    colors = np.zeros((8, 40, 40, 4), dtype)
    colors[np.arange(8), :, :, np.arange(8) % 4] = 100  # each sample is its own label
    results = mixed_batches(colors, np.ones(8, np.float32))
    assert 2 <= len(results) <= 10
    for x, y, weight in results:
        assert x.dtype == dtype
        np.testing.assert_allclose(x.mean((1, 2)) / 100, y, atol=0.06)  # CutMix's edges lie between pixels
        np.testing.assert_allclose(y.sum(1), 1, atol=1e-5)
        np.testing.assert_allclose(weight, 1, atol=1e-5)


def test_mixup_and_cutmix_are_deterministic_for_a_seed() -> None:
    weight = np.ones(8, np.float32)
    mixer = MixUpCutMix()
    first = [mixer(IMAGES, one_hot(), weight, (key,))[0] for key in range(6)]
    assert all(np.array_equal(images, mixer(IMAGES, one_hot(), weight, (key,))[0]) for key, images in enumerate(first))


def test_mixup_and_cutmix_ignore_samples_of_weight_zero() -> None:
    weight = np.array([1, 1, 1, 1, 0, 0, 0, 0], np.float32)
    masked = np.arange(8) >= 4
    y = one_hot()
    y[masked] = np.eye(4, dtype=np.float32)[3]
    y[~masked] = np.eye(4, dtype=np.float32)[0]
    for key in range(12):
        _, mixed, counts = MixUpCutMix()(IMAGES, y, weight, (key,))
        np.testing.assert_allclose((mixed * counts[:, None])[:, 3], 0, atol=1e-6)
        assert counts.min() >= 0
