"""Make a weights file as keras.applications publishes them: HDF5 in the legacy layout, random but seeded numbers.

python legacy_weights.py NAME FILE
"""

from __future__ import annotations

import sys

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

from zoo.backbone import get
from zoo.build.networks import body


def main(name: str, file: str) -> None:
    """Write the weights of the backbone `name` to `file`; numbers of a size that real ones have."""
    model = body(get(name), None)
    rng = np.random.default_rng(0)
    model.set_weights([drawn(rng, variable) for variable in model.weights])
    with h5py.File(file, "w") as target:
        legacy_h5_format.save_weights_to_hdf5_group(target, model)


def drawn(rng: np.random.Generator, variable: keras.Variable) -> np.ndarray:
    """Return numbers that keep activations near one from layer to layer."""
    shape = tuple(variable.shape)
    if len(shape) == 4:
        inputs = shape[0] * shape[1] * (1 if "depthwise" in variable.path else shape[2])
        return rng.normal(0, (2 / inputs) ** 0.5, shape)
    positive = variable.path.endswith(("gamma", "moving_variance"))
    return rng.uniform(0.5, 1.5, shape) if positive else rng.normal(0, 0.1, shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
