"""Make tiny Keras models as users have them. A script: the tests themselves import no TensorFlow.

python keras_models.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
from keras import layers

SIZE = 16

MODULE = """
import socket

import keras


class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2.0


class Calls(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        if "calling" in __import__("os").environ:
            socket.create_connection(("127.0.0.1", int(__import__("os").environ["calling"])), timeout=5)

    def call(self, x):
        return x
"""


def main(folder: Path) -> None:
    """Write every model into `folder`, and the module of the user's own layers."""
    (folder / "mylayers.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    import mylayers

    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    scaled = layers.Rescaling(1 / 255)(image)
    maps = layers.Conv2D(4, 3, activation="relu")(layers.BatchNormalization()(scaled))
    vector = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(maps))
    head = layers.Dense(3, activation="softmax")
    heads = {
        "plain": head(vector),
        "custom": head(mylayers.Twice(name="mine")(vector)),
        "calls": head(mylayers.Calls(name="mine")(vector)),
        "lambda": head(layers.Lambda(lambda x: x * 2)(vector)),
        "logits": layers.Dense(3)(vector),
        "tags": layers.Activation("sigmoid")(layers.Dense(3)(vector)),
        "maps": layers.Conv2D(3, 1)(maps),
    }
    for name, output in heads.items():
        keras.Model(image, output).save(folder / f"{name}.keras")
    row = keras.Input((16,))
    keras.Model(row, layers.Dense(3, activation="softmax")(row)).save(folder / "row.keras")
    byte = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(byte))
    keras.Model(byte, layers.Dense(3, activation="softmax")(flat)).save(folder / "bytes.keras")
    open_ = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()])
    open_.add(layers.Dense(3, activation="softmax"))
    open_.save(folder / "open.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
