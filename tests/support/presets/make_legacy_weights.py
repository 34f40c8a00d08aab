"""Make a weights file as keras.applications publishes them: HDF5 in the legacy layout, random but seeded numbers.

python legacy_weights.py NAME FILE
"""

from __future__ import annotations

import sys

import h5py
from keras.src.legacy.saving import legacy_h5_format

from zoo.catalog.find import get_backbone
from zoo.convert.networks import build_backbone_network, require_pixels
from zoo.convert.networks.random_weights import randomize_weights


def main(name: str, file: str) -> None:
    """Write the weights of the backbone `name` to `file`; numbers of a size that real ones have."""
    backbone = get_backbone(name)
    model, pixels = build_backbone_network(backbone, None), require_pixels(backbone)
    randomize_weights(model, pixels.size, pixels.scaling)
    with h5py.File(file, "w") as target:
        legacy_h5_format.save_weights_to_hdf5_group(target, model)


if __name__ == "__main__":
    main(*sys.argv[1:])
