"""Write a head with novelty as ONNX and as a Keras model, and what both answer to the same features.

python -m tests.support.presets.novelty_in_keras KIND FOLDER

KIND is "distance" or "energy". FOLDER/answers.npz holds onnx_scores [5,3], onnx_novelty [5], keras_scores [5,3] and
keras_novelty [5], all float32. A script: the tests themselves import no TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np

from finetune.head.head_onnx import Head
from finetune.head.novelty_scores import DistanceScore, EnergyScore, Novelty
from graft.runtime.session import open_session
from graft.types import Float32Array
from zoo.convert.keras_models.bundle_to_keras import apply_head_in_keras

WIDTH, CLASSES, ROWS = 6, 3, 5


def main(kind: str, folder: Path) -> None:
    """Write FOLDER/head.onnx, head.keras and answers.npz."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Float32Array:
        return rng.normal(size=shape).astype(np.float32)

    scores = {
        "distance": DistanceScore(draw(WIDTH), abs(draw(WIDTH)), draw(WIDTH, 2), draw(CLASSES, 2), 0.01),
        "energy": EnergyScore(draw(CLASSES, WIDTH), draw(CLASSES)),
    }
    novelty = Novelty(scores[kind], 1.0, 0.9, 1.0, {}, ())
    path = folder / "head.onnx"
    path.write_bytes(Head("logistic", "Softmax", draw(CLASSES, WIDTH), draw(CLASSES), None, 0, novelty).to_onnx(18, 10))
    features = keras.Input((WIDTH,))
    keras.Model(features, apply_head_in_keras(path, features)).save(path.with_suffix(".keras"))
    reopened = keras.models.load_model(path.with_suffix(".keras"), safe_mode=True)
    rows = draw(ROWS, WIDTH)
    onnx_scores, onnx_novelty = open_session(path).run(["scores", "novelty"], {"features": rows})
    answers = {name: np.asarray(answer) for name, answer in reopened(rows).items()}
    np.savez(
        folder / "answers.npz",
        onnx_scores=onnx_scores,
        onnx_novelty=onnx_novelty,
        keras_scores=answers["scores"],
        keras_novelty=answers["novelty"],
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
