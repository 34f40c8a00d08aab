"""Batches of pictures: what is in them depends on numbers alone; and what is decided from the pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from finetune.dataset import Sample
from finetune.deep.augment import Augment, Mixing
from finetune.deep.mirror import mirrors
from finetune.deep.picture_course import PictureCourse, WholePictures
from finetune.deep.pixels import decoded
from finetune.deep.sizes import size_for
from finetune.lesson import Lesson
from tests.fakes import picture
from tests.finetune.deep.tiny import TRAIN, VAL, lesson
from zoo.backbone import DEFAULT, get
from zoo.image import ImageInput
from zoo.progress import Silence

AUGMENT = Augment(flips=False)


def numbered(tmp_path: Path, **more: object) -> tuple[Lesson, np.ndarray]:
    """A lesson of classes, and pictures uint8 [180,8,8,3] that each have a number."""
    given = dataclasses.replace(lesson(tmp_path), y=np.arange(TRAIN + VAL) % 3, **more)
    return given, np.broadcast_to(np.arange(TRAIN + VAL, dtype=np.uint8)[:, None, None, None], (180, 8, 8, 3))


def course(
    tmp_path: Path, size: int, augment: Augment | None = None, mixing: Mixing | None = None, **more: object
) -> PictureCourse:
    given, pictures = numbered(tmp_path, **more)
    body = keras.Sequential([keras.Input((8, 8, 3))])
    return PictureCourse(given, WholePictures(pictures, augment), body, body, {}, size, mixing)


def test_an_epoch_sees_each_sample_once_at_most(tmp_path: Path) -> None:
    made = course(tmp_path, 32)
    assert made.steps() == 3
    seen = [np.concatenate([made.batch(epoch, step).x["image"][:, 0, 0, 0] for step in range(3)]) for epoch in (0, 1)]
    for rows in seen:
        assert len(set(rows.tolist())) == 96
        assert rows.max() < TRAIN
    assert not np.array_equal(*seen)


def test_labels_stay_with_their_pictures(tmp_path: Path) -> None:
    batch = course(tmp_path, 32).batch(0, 0)
    np.testing.assert_array_equal(batch.y.argmax(1), batch.x["image"][:, 0, 0, 0] % 3)
    assert batch.weight.tolist() == [1] * 32


def test_few_samples_are_filled_up_without_weight(tmp_path: Path) -> None:
    made = course(tmp_path, 200)
    assert made.steps() == 1
    batch = made.batch(0, 0)
    assert batch.x["image"].shape[0] == 200
    assert batch.weight.sum() == TRAIN


def test_weights_of_samples_reach_the_batch(tmp_path: Path) -> None:
    weights = np.linspace(0.5, 1.5, TRAIN + VAL).astype(np.float32)
    batch = course(tmp_path, 32, weights=weights).batch(0, 1)
    np.testing.assert_array_equal(batch.weight, weights[batch.x["image"][:, 0, 0, 0]])


def test_the_validation_part_is_plain_whole_and_in_order(tmp_path: Path) -> None:
    batches = list(course(tmp_path, 32, AUGMENT, Mixing()).val())
    rows = np.concatenate([batch.x["image"][batch.weight > 0, 0, 0, 0] for batch in batches])
    assert rows.tolist() == list(range(TRAIN, TRAIN + VAL))
    assert {len(batch.y) for batch in batches} == {32}


def test_the_same_numbers_give_the_same_batch_in_any_order(tmp_path: Path) -> None:
    one = course(tmp_path / "one", 16, AUGMENT, Mixing())
    other = course(tmp_path / "other", 16, Augment(flips=False), Mixing())
    steps = [(0, 0), (0, 1), (3, 5)]
    first = [one.batch(*step) for step in steps]
    for step, batch in reversed(list(zip(steps, first, strict=True))):
        again = other.batch(*step)
        np.testing.assert_array_equal(batch.x["image"], again.x["image"])
        np.testing.assert_array_equal(batch.y, again.y)
        np.testing.assert_array_equal(batch.weight, again.weight)


@pytest.mark.parametrize(
    ("sides", "wish", "size"),
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
def test_small_pictures_are_learnt_small(sides: list[int], wish: int | None, size: int, tmp_path: Path) -> None:
    samples = tuple(Sample(str(at), "", None, picture(size=(sides[at % len(sides)], 8))) for at in range(TRAIN + VAL))
    given = dataclasses.replace(lesson(tmp_path, training={"size": wish}), samples=samples, backbone=get(DEFAULT))
    assert size_for(given) == size
    started = dataclasses.replace(given, start=tmp_path / "weights.npz")
    assert size_for(started) == (wish or 224)


def pooling() -> keras.Model:
    """Pixels -> mean of each of 4x4 places: as much as the simplest trunk sees."""
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.AveragePooling2D(2)(keras.ops.cast(image, "float32"))
    return keras.Model(image, keras.layers.Flatten()(x))


def test_pictures_that_have_a_left_and_a_right_are_not_flipped() -> None:
    random = np.random.default_rng(0)
    alike = random.integers(0, 256, (150, 8, 8, 3), dtype=np.uint8)
    lit = alike.astype(int)
    lit[:, :, :4] += 60  # brighter on the left
    assert mirrors(pooling(), alike)
    assert not mirrors(pooling(), np.clip(lit, 0, 255).astype(np.uint8))


def test_few_pictures_are_not_flipped() -> None:
    assert not mirrors(pooling(), np.zeros((40, 8, 8, 3), np.uint8))


def test_pictures_are_decoded_once(tmp_path: Path) -> None:
    samples = [Sample(str(at), "", None, picture((at, 2 * at, 0))) for at in range(20)]
    path = tmp_path / "pixels.npy"
    made = decoded(samples, ImageInput(8), path, Silence())
    expected = np.stack([ImageInput(8)(sample.read()) for sample in samples])
    np.testing.assert_array_equal(made, expected)
    assert isinstance(made, np.memmap)
    np.testing.assert_array_equal(decoded([], ImageInput(8), path, Silence()), expected)
