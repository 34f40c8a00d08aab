"""Pictures in depth: the last blocks learn from cached maps (`top`), or the whole network from pixels (`full`)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import keras
import numpy as np

from finetune.deep.activations import Cached
from finetune.deep.augment import Augment, Mixing, Pictures
from finetune.deep.blocks import factors
from finetune.deep.cut import bottom_onnx, parted
from finetune.deep.devices import settle
from finetune.deep.export import exported, kept_weights, plain_body
from finetune.deep.grafted import harvested, keras_file, planted
from finetune.deep.loop import study
from finetune.deep.mirror import mirrors
from finetune.deep.picture_course import CachedMaps, PictureCourse, Source, WholePictures
from finetune.deep.pixels import decoded
from finetune.deep.sizes import at_size, size_for, with_head
from finetune.lesson import Deepened, Lesson
from finetune.tasks import Task
from finetune.training import Depth
from zoo import weights
from zoo.build.networks import pixels_of, pooled, scaled, whole
from zoo.progress import Progress

# What the user leaves open; found on the validation part of sample:mnist.
DEFAULTS: Final[dict[Depth, dict[str, Any]]] = {
    Depth.TOP: {"epochs": 12, "batch": 32, "rate": 1e-3, "layer_decay": 0.8, "weight_decay": 0.01, "views": 4},
    Depth.FULL: {"epochs": 16, "batch": 32, "rate": 1e-3, "layer_decay": 0.8, "weight_decay": 0.01},
}
_FROM_THERE: Final = {"epochs": 4, "rate": 4e-4}  # of `full`, where the last blocks have learnt already
MANY: Final = 20  # epochs from which on samples are mixed; fewer are better spent on plain ones


def deepen_pictures(lesson: Lesson, progress: Progress) -> Deepened:
    """Train the network and its head as deep as the lesson says.

    Raises:
        TrainingFailed: a loss was not finite, nothing fits into the memory, or the disk is full.
        ParityError: ONNX Runtime does not repeat the network.
        WeightsError: the pretrained weights could not be had.
        RecipeError: the network cannot be cut where the recipe says.
    """
    settle()
    keras.config.set_dtype_policy("float32")  # of what is computed besides the training itself
    lesson.folder.mkdir(parents=True, exist_ok=True)
    file = None if lesson.start else weights.fetch(lesson.backbone, progress)
    prepare = {Depth.TOP: _top, Depth.FULL: _full}[lesson.depth]
    usual = DEFAULTS[lesson.depth] | (_FROM_THERE if lesson.start else {})
    filled = dataclasses.replace(lesson, training=lesson.training.filled(usual))
    prepared = prepare(filled, file, progress)
    lesson = prepared.lesson
    trained, history, facts = study(prepared.make, lesson, progress)
    course = cast(PictureCourse, trained)
    kernel, bias = map(keras.ops.convert_to_numpy, course.network.get_layer("head").get_weights())
    head = harvested(lesson, kernel, bias, course)
    kept = kept_weights(lesson.folder / "trunk.weights.npz", course.body.get_weights())
    keras.config.set_dtype_policy("float32")  # whatever it was trained in
    trunk, network = exported(lesson, kept, progress)
    model_keras = keras_file(network, kernel, bias, lesson.folder)
    return Deepened(trunk, head, kept, model_keras, history, facts | prepared.facts)


@dataclasses.dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is done before the first step."""

    lesson: Lesson
    make: Callable[[int], PictureCourse]
    facts: dict[str, Any]


def _top(lesson: Lesson, file: Path | None, progress: Progress) -> _Prepared:
    """Run every picture through the bottom once, and let the tail learn from what it says."""
    training, body = lesson.training, plain_body(lesson.backbone, file, lesson.start)
    pictures = _pictures(lesson, progress)
    augmenting = _augmenting(lesson, body, pictures, progress)
    with progress.bar("converting the blocks below the cut", None):
        bottom, layer, shape = bottom_onnx(lesson.backbone, body, training.cut)
    count = (training.views or 0) if augmenting else 0
    cached = Cached(bottom, _key(lesson), lesson.folder)
    views = cached.views(pictures, len(lesson.train), count, augmenting or Augment(flips=False), lesson.seed, progress)

    def make(size: int) -> PictureCourse:
        body = plain_body(lesson.backbone, file, lesson.start)
        _, tail = parted(body, layer)
        maps = keras.Input(shape, dtype="float16", name="maps")
        inner = tail(keras.ops.cast(maps, tail.compute_dtype), training=False)
        return _course(lesson, CachedMaps(views), maps, inner, body, size)

    return _Prepared(lesson, make, {"cut": layer, "views": count, "flips": _flips(augmenting)})


def _full(lesson: Lesson, file: Path | None, progress: Progress) -> _Prepared:
    """Let the whole network learn from pixels."""
    usual, size = pixels_of(lesson.backbone).size, size_for(lesson)
    lesson = at_size(lesson, size)
    body, pictures = plain_body(lesson.backbone, file, lesson.start), _pictures(lesson, progress)
    if size != usual:
        progress.say(f"learnt, and later served, at {size}x{size} pixels instead of {usual}x{usual}")
        lesson = with_head(lesson, body, pictures)
    augmenting = _augmenting(lesson, body, pictures, progress)
    source, pixels = WholePictures(pictures, augmenting), pixels_of(lesson.backbone)

    def make(batch: int) -> PictureCourse:
        body = plain_body(lesson.backbone, file, lesson.start)
        image = keras.Input(pictures.shape[1:], dtype="uint8", name="image")
        inner = body(scaled(image, pixels.scaling), training=False)
        return _course(lesson, source, image, inner, body, batch)

    return _Prepared(lesson, make, {"size": size, "flips": _flips(augmenting)})


def _course(
    lesson: Lesson, source: Source, start: keras.KerasTensor, maps: keras.KerasTensor, body: keras.Model, size: int
) -> PictureCourse:
    """Put the lesson's head on `maps`, and return what is to be learnt with batches of `size`."""
    frozen(body)
    kernel, bias = planted(lesson)
    head = keras.layers.Dense(len(bias), name="head", dtype="float32")
    network = keras.Model({source.name: start}, head(pooled(maps)), name="pictures")
    head.set_weights([kernel, bias])
    mixing = Mixing() if _mixes(lesson) else None
    return PictureCourse(lesson, source, network, body, factors(body, lesson.training.layer_decay or 1.0), size, mixing)


def frozen(body: keras.Model) -> None:
    """Let the normalisation of batches be what it was: few samples tell too little of how they are distributed."""
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _mixes(lesson: Lesson) -> bool:
    training = lesson.training
    return training.augment and lesson.task is not Task.REGRESS and (training.epochs or 0) >= MANY


def _pictures(lesson: Lesson, progress: Progress) -> Pictures:
    """Return the pictures to train on and then those to choose by, decoded."""
    samples = [lesson.samples[row] for row in (*lesson.train, *lesson.val)]
    return decoded(samples, lesson.inputs, lesson.folder / f"pixels-{_key(lesson)[:16]}.npy", progress)


def _augmenting(lesson: Lesson, body: keras.Model, pictures: Pictures, progress: Progress) -> Augment | None:
    """Return what changes the pictures that are trained on; None where the recipe wants them as they are."""
    if not lesson.training.augment:
        return None
    flips = mirrors(whole(lesson.backbone, body), pictures[: len(lesson.train)])
    progress.say(
        "half of the pictures are flipped: they cannot be told from their mirror images"
        if flips
        else "no picture is flipped: which way round they are means something, or they are too few to tell"
    )
    return Augment(flips)


def _flips(augmenting: Augment | None) -> bool:
    return augmenting is not None and augmenting.name == "flipped"


def _key(lesson: Lesson) -> str:
    """Return a hash of the pictures that are learnt from and how they are decoded, in hex."""
    rows = np.concatenate([lesson.train, lesson.val]).tolist()
    digest = hashlib.sha256(repr(sorted(lesson.inputs.spec().items())).encode())
    for row in rows:
        digest.update(lesson.sha256[row])
    return digest.hexdigest()
