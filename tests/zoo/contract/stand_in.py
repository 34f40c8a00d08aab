"""What is tried in place of a preset that cannot be had here: its files, written by its library, with random weights.

python -m tests.zoo.contract.stand_in NAME FOLDER

Its layers are those of the published network where they are known (`tests.support.presets.published_layers`): all of
them up to MOST parameters, else two of each stage. Where they are not known it is a small network of the same
class. On standard
output stands, as JSON, which it is; FOLDER/theirs.npy holds what the library makes of two pictures by itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.support.presets.published_encoder_layers import HALVES
from tests.support.presets.published_layers import CV, IMAGES, TEXTS
from zoo.catalog.backbone import Backbone, ImageSpec
from zoo.catalog.find import get_backbone
from zoo.catalog.presets import families
from zoo.sample_inputs import random_photo_crops

MOST: Final = 1 << 27  # parameters
SEED: Final = 3  # of the two pictures
_SIDE: Final = 224  # in pixels, where a network takes any
_LAYERS: Final = {**IMAGES, **TEXTS, **HALVES, **CV}
_FAMILIES: Final = families("hub.json") | families("cv.json")
_REPEATS: Final = ("num_layers", "depths")  # arguments that say how often a layer is repeated
_WORDS: Final = ("vocabulary_size", "vocab_size")
_FEW: Final = 2000


class Network(StrEnum):
    """How much of the published network a stand-in has."""

    WHOLE = "whole"
    SHORT = "short"  # layers of the published width, two of each stage; a small vocabulary
    CLASS = "class"  # another, small network of the same class of the library


@dataclass(frozen=True, slots=True)
class StandIn:
    """The class of a preset's network, and the arguments that make one; none for the small one of that class."""

    network: Network
    family: str
    layers: Mapping[str, Any]


def stand_in_of(entry: Backbone) -> StandIn:
    """Return what stands in for a preset."""
    family, layers = _FAMILIES.get(entry.name, ""), _LAYERS.get(entry.name)
    if layers is None:
        return StandIn(Network.CLASS, family, {})
    if (entry.params or entry.ships or 0) <= MOST:
        return StandIn(Network.WHOLE, family, layers)
    return StandIn(Network.SHORT, family, shortened(layers))


def shortened(layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a network of the same width, two layers deep at each stage, that knows few words."""
    short = {name: tuple(2 for _ in layers[name]) if name == "depths" else 2 for name in _REPEATS if name in layers}
    return {**layers, **short, **{name: _FEW for name in _WORDS if name in layers}}


def write(entry: Backbone, folder: Path) -> dict[str, Any]:
    """Let the library of `entry` write its files into `folder`; return what it is, and how many parameters it has."""
    made = stand_in_of(entry)
    if not isinstance(entry.takes, ImageSpec):
        model = _text(entry, made, folder)
    elif entry.library == "keras-cv":
        model = _cv(made, folder)
    else:
        model = _hub(entry, made, folder)
    # Of an encoder that comes with its decoder the trunk is a half.
    return {"network": made.network, "params": None if entry.name in HALVES else model.count_params()}


def _text(entry: Backbone, made: StandIn, folder: Path) -> Any:
    from tests.support.presets.keras_hub_text_presets import save_preset

    sizes = dict(made.layers)
    words = next(sizes.pop(name) for name in _WORDS if name in sizes)
    return save_preset(entry, folder, vocabulary=words, **sizes)


def _cv(made: StandIn, folder: Path) -> Any:
    from tests.support.presets import keras_cv_presets

    model = keras_cv_presets.saved(made.family, folder, dict(made.layers))
    np.save(folder / "theirs.npy", keras_cv_presets.theirs(model, random_photo_crops(2, _SIDE, SEED)))
    return model


def _hub(entry: Backbone, made: StandIn, folder: Path) -> Any:
    from tests.support.presets import keras_hub_image_presets

    family, layers = made.family.removesuffix("Backbone"), dict(made.layers)
    size = layers.get("image_shape", [_SIDE])[0] if layers else keras_hub_image_presets.size_of(family)
    model = (
        keras_hub_image_presets.published(family, layers, size) if layers else keras_hub_image_presets.backbone(family)
    )
    keras_hub_image_presets.save(model, family, folder, image_size=(size, size))
    assert isinstance(entry.takes, ImageSpec)
    np.save(
        folder / "theirs.npy",
        keras_hub_image_presets.theirs(folder, random_photo_crops(2, size, SEED), entry.takes.pooling),
    )
    return model


if __name__ == "__main__":
    sys.stdout.write(json.dumps(write(get_backbone(sys.argv[1]), Path(sys.argv[2]))) + "\n")
