"""A network that has learnt becomes a trunk: converted, proven, and kept as Keras has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.lesson import Lesson
from zoo import weights
from zoo.backbone import Backbone, Precision
from zoo.build.fp32 import proven
from zoo.build.networks import assign, body, size_of, whole
from zoo.errors import TrainingFailed
from zoo.files import sha256_of, write_whole, written_whole
from zoo.progress import Progress
from zoo.signature import Signature
from zoo.trunk import Trunk

Arrays = Sequence[NDArray[np.float32]]


def plain_body(backbone: Backbone, file: Path | None, start: Path | None) -> keras.Model:
    """Return the network between pixels and maps with its pretrained weights, or with those that `start` holds.

    It is a plain functional model, whatever class its library gives it: so it opens without that library.

    Raises:
        WeightsError: `file` does not hold this network's weights.
        TrainingFailed: `start` does not.
    """
    built = body(backbone, None if start else file)
    plain = keras.Model(built.input, built.output, name=built.name)
    if start:
        with np.load(start, allow_pickle=False) as kept:
            arrays = [kept[name] for name in sorted(kept.files)]
        if [array.shape for array in arrays] != [tuple(weight.shape) for weight in plain.weights]:
            raise TrainingFailed(f"{start} holds the weights of another network than {backbone.name}. Train anew.")
        assign(plain, arrays)
    return plain


def kept_weights(path: Path, arrays: Arrays) -> Path:
    """Write the weights of a network into `path`, whole or not at all, in their order, and return it."""
    named: dict[str, Any] = {f"{number:05}": array for number, array in enumerate(arrays)}
    with written_whole(path) as file:
        np.savez(file, **named)
    return path


def exported(lesson: Lesson, kept: Path, progress: Progress) -> tuple[Trunk, keras.Model]:
    """Return the weights `kept` as a trunk in the lesson's folder, and as Keras has it; the same gate as for any other.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
    """
    backbone, path = lesson.backbone, lesson.folder / "trunk.onnx"
    network = whole(backbone, plain_body(backbone, None, kept))
    with progress.bar("proving the trained trunk against Keras", None):
        data, report = proven(network, size_of(backbone), backbone.width)
    write_whole(path, data)
    facts = report | {
        "backbone": backbone.name,
        "weights_sha256": weights.known_hash(backbone),
        "precision": Precision.FP32.value,
        "input": lesson.inputs.spec(),
        "sha256": sha256_of(path),
        "bytes": len(data),
    }
    return Trunk(path, facts["sha256"], Signature.of(report["signature"]), lesson.inputs, facts), network
