"""At what size pictures are learnt. A small one blown up costs time in every step, and holds no more than before."""

from __future__ import annotations

import dataclasses
from typing import Final

import keras
import numpy as np

from finetune.deep.augment import Pictures
from finetune.heads import FAMILIES, Rows
from finetune.lesson import Lesson
from finetune.rows import room
from zoo.backbone import Backbone
from zoo.build.networks import pixels_of, whole
from zoo.build.networks import size_of as network_size
from zoo.image import ImageInput, size_of

TIMES: Final = 3  # how much larger than they are pictures are learnt: the first layers halve them five times over
STEP: Final = 32  # of sizes: then each of those halvings comes out even
LEAST: Final = 64
ASKED: Final = 200  # pictures whose headers are read
_BATCH: Final = 32


def size_for(lesson: Lesson) -> int:
    """Return the side, in pixels, at which the whole network learns the lesson's pictures.

    It is what the recipe says, or else three times the side that half of the pictures have at most, but
    never more than the backbone's own. A network that has learnt before stays at that: moved from 96 pixels
    to 224, one that knew 98.5 % of sample:mnist's validation part knew 83 % after another epoch.
    """
    usual = network_size(lesson.backbone)
    if lesson.training.size or lesson.start:
        return lesson.training.size or usual
    some = lesson.train[np.linspace(0, len(lesson.train) - 1, min(ASKED, len(lesson.train))).astype(int)]
    side = float(np.median([max(size_of(lesson.samples[row].read())) for row in some.tolist()]))
    return min(usual, max(LEAST, -(-round(TIMES * side) // STEP) * STEP))


def at_size(lesson: Lesson, size: int) -> Lesson:
    """Return `lesson` with pictures of `size`; its head still belongs to those of the usual size."""
    return dataclasses.replace(lesson, backbone=sized(lesson.backbone, size), inputs=ImageInput(size))


def sized(backbone: Backbone, size: int) -> Backbone:
    """Return the same network for pictures of another size."""
    pixels = pixels_of(backbone)
    return dataclasses.replace(backbone, takes=dataclasses.replace(pixels, size=size))


def with_head(lesson: Lesson, body: keras.Model, pictures: Pictures) -> Lesson:
    """Return `lesson` with its head fitted anew, by the same recipe, to what `body` says of the train part.

    `pictures`, uint8 [n,s,s,3], begin with those that are trained on.
    """
    trunk, count = whole(lesson.backbone, body), len(lesson.train)
    x = room(count, trunk.output.shape[1])
    for at in range(0, count, _BATCH):
        x[at : at + _BATCH] = trunk.predict_on_batch(pictures[at : min(at + _BATCH, count)])
    y = lesson.y[lesson.train]
    rows = Rows(x, y, x[:0], y[:0], lesson.weights[lesson.train])
    head = FAMILIES[lesson.task].refit(lesson.head.choice, rows)
    return dataclasses.replace(lesson, head=head)
