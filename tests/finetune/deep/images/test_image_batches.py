"""Batches of images: deterministic for seed, epoch and step; the image size; images decoded once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from finetune.data.dataset import LabeledSample
from finetune.deep.images.augment import MixUpCutMix, RandAugment, can_flip
from finetune.deep.images.image_batches import ImageBatchSource, PixelSource, decode_images
from finetune.deep.images.image_size import choose_image_size
from finetune.deep.training_job import TrainingJob
from graft.inputs.image import ImageInput
from graft.progress import SilentProgress
from tests.support.fakes import picture
from tests.support.finetune.tiny_training_job import TRAIN, VAL, tiny_job
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.catalog.find import get_backbone

AUGMENTER = RandAugment(flips=False)


def numbered_images(tmp_path: Path, **more: object) -> tuple[TrainingJob, np.ndarray]:
    """Return a classification job, and images uint8 [180,8,8,3] whose pixels are their row number."""
    job = dataclasses.replace(tiny_job(tmp_path), y=np.arange(TRAIN + VAL) % 3, **more)
    return job, np.broadcast_to(np.arange(TRAIN + VAL, dtype=np.uint8)[:, None, None, None], (180, 8, 8, 3))


def batch_source(
    tmp_path: Path,
    batch_size: int,
    augmenter: RandAugment | None = None,
    mixer: MixUpCutMix | None = None,
    **more: object,
) -> ImageBatchSource:
    job, images = numbered_images(tmp_path, **more)
    body = keras.Sequential([keras.Input((8, 8, 3))])
    return ImageBatchSource(job, PixelSource(images, augmenter), body, body, {}, batch_size, mixer)


def test_image_batches_see_each_sample_once_an_epoch(tmp_path: Path) -> None:
    batches = batch_source(tmp_path, 32)
    assert batches.steps_per_epoch() == 3
    epochs = [
        np.concatenate([batches.training_batch(epoch, step).x["image"][:, 0, 0, 0] for step in range(3)])
        for epoch in (0, 1)
    ]
    for rows in epochs:
        assert len(set(rows.tolist())) == 96
        assert rows.max() < TRAIN
    assert not np.array_equal(*epochs)


def test_image_batches_keep_labels_with_images(tmp_path: Path) -> None:
    batch = batch_source(tmp_path, 32).training_batch(0, 0)
    np.testing.assert_array_equal(batch.y.argmax(1), batch.x["image"][:, 0, 0, 0] % 3)
    assert batch.weight.tolist() == [1] * 32


def test_image_batches_are_padded_with_weight_zero(tmp_path: Path) -> None:
    batches = batch_source(tmp_path, 200)
    assert batches.steps_per_epoch() == 1
    batch = batches.training_batch(0, 0)
    assert batch.x["image"].shape[0] == 200
    assert batch.weight.sum() == TRAIN


def test_sample_weights_reach_the_batch(tmp_path: Path) -> None:
    weights = np.linspace(0.5, 1.5, TRAIN + VAL).astype(np.float32)
    batch = batch_source(tmp_path, 32, sample_weights=weights).training_batch(0, 1)
    np.testing.assert_array_equal(batch.weight, weights[batch.x["image"][:, 0, 0, 0]])


def test_validation_batches_are_plain_complete_and_in_order(tmp_path: Path) -> None:
    batches = list(batch_source(tmp_path, 32, AUGMENTER, MixUpCutMix()).validation_batches())
    rows = np.concatenate([batch.x["image"][batch.weight > 0, 0, 0, 0] for batch in batches])
    assert rows.tolist() == list(range(TRAIN, TRAIN + VAL))
    assert {len(batch.y) for batch in batches} == {32}


def test_image_batches_are_deterministic_in_any_order(tmp_path: Path) -> None:
    first_source = batch_source(tmp_path / "one", 16, AUGMENTER, MixUpCutMix())
    second_source = batch_source(tmp_path / "other", 16, RandAugment(flips=False), MixUpCutMix())
    steps = [(0, 0), (0, 1), (3, 5)]
    first = [first_source.training_batch(*step) for step in steps]
    for step, batch in reversed(list(zip(steps, first, strict=True))):
        again = second_source.training_batch(*step)
        np.testing.assert_array_equal(batch.x["image"], again.x["image"])
        np.testing.assert_array_equal(batch.y, again.y)
        np.testing.assert_array_equal(batch.weight, again.weight)


@pytest.mark.parametrize(
    ("sides", "size", "expected"),
    [
        ([28], None, 96),
        ([32], None, 96),
        ([10], None, 64),
        ([60], None, 192),
        ([75], None, 224),
        ([500], None, 224),
        ([20, 28, 600], None, 96),
        ([28], 160, 160),
    ],
)
def test_image_size_follows_the_source_images(
    sides: list[int], size: int | None, expected: int, tmp_path: Path
) -> None:
    samples = tuple(
        LabeledSample(str(at), "", None, picture(size=(sides[at % len(sides)], 8))) for at in range(TRAIN + VAL)
    )
    job = dataclasses.replace(
        tiny_job(tmp_path, training={"size": size}), samples=samples, backbone=get_backbone(DEFAULT_IMAGE_BACKBONE)
    )
    assert choose_image_size(job) == expected
    warm = dataclasses.replace(job, start_weights=tmp_path / "weights.npz")
    assert choose_image_size(warm) == (size or 224)


def pooling() -> keras.Model:
    """Return a trunk that only averages: pixels -> the mean of each of 4x4 tiles."""
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.AveragePooling2D(2)(keras.ops.cast(image, "float32"))
    return keras.Model(image, keras.layers.Flatten()(x))


def test_flips_are_off_for_images_with_a_left_and_a_right() -> None:
    random = np.random.default_rng(0)
    symmetric = random.integers(0, 256, (150, 8, 8, 3), dtype=np.uint8)
    lopsided = symmetric.astype(int)
    lopsided[:, :, :4] += 60  # brighter on the left
    assert can_flip(pooling(), symmetric)
    assert not can_flip(pooling(), np.clip(lopsided, 0, 255).astype(np.uint8))


def test_flips_are_off_for_few_images() -> None:
    assert not can_flip(pooling(), np.zeros((40, 8, 8, 3), np.uint8))


def test_memmap_images_are_decoded_once(tmp_path: Path) -> None:
    samples = [LabeledSample(str(at), "", None, picture((at, 2 * at, 0))) for at in range(20)]
    path = tmp_path / "pixels.npy"
    images = decode_images(samples, ImageInput(8), path, SilentProgress())
    expected = np.stack([ImageInput(8)(sample.read()) for sample in samples])
    np.testing.assert_array_equal(images, expected)
    assert isinstance(images, np.memmap)
    np.testing.assert_array_equal(decode_images([], ImageInput(8), path, SilentProgress()), expected)
