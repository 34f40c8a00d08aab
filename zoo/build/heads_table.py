"""Write zoo/catalog/heads.json and zoo/catalog/imagenet.json: what the libraries say of ImageNet's 1,000 classes.

python -m zoo.build.heads_table

Of each network of keras.applications: the file that it would fetch with its top; and where its last dense layer does
not stand on pooled maps, what the network up to there is like. Nothing is fetched; models are built in shapes without
memory. The classes' names are those in KerasHub.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import keras
from keras.src.utils import file_utils
from keras_hub.src.utils.imagenet.imagenet_utils import IMAGENET_NAMES

from zoo.build.applications_table import digests, factories
from zoo.build.networks.applications import with_top
from zoo.build.networks.tops import last_dense, stands_on_pooled_maps

HEADS: Final = Path(__file__).parents[1] / "catalog" / "heads.json"
CLASSES: Final = Path(__file__).parents[1] / "catalog" / "imagenet.json"


def facts_of(factory: str) -> dict[str, Any]:
    """Return `url`, `md5` or `sha256` (None: the library gives none), and `below`.

    That is width and parameters of the network up to its last dense layer; None where this takes pooled maps.

    Raises:
        TrunkError: the network does not end with a dense layer.
    """
    asked: dict[str, Any] = {}

    def file(_: str, origin: str, file_hash: str | None = None, **__: object) -> str:
        asked.update(url=origin, hash=file_hash)
        return "weights.h5"

    with warnings.catch_warnings(), keras.StatelessScope(initialize_variables=False):
        warnings.simplefilter("ignore")  # MobileNetV3 warns that it takes its default
        with patch.object(file_utils, "get_file", file), patch.object(keras.Model, "load_weights", lambda *_: None):
            getattr(keras.applications, factory)()
        model = with_top(factory, None, None)
        dense, below = last_dense(model), None
        if not stands_on_pooled_maps(dense):
            params = sum(
                math.prod(weight.shape) for layer in model.layers for weight in layer.weights if layer is not dense
            )
            below = {"width": dense.input.shape[-1], "params": params}
    return {"url": asked["url"], **digests(asked["hash"]), "below": below}


def heads() -> str:
    """Return the text of heads.json."""
    return json.dumps({factory: facts_of(factory) for factory in factories()}, indent=2) + "\n"


def classes() -> str:
    """Return the text of imagenet.json: WordNet's number and the name of each class, in the order of the scores."""
    return "[\n" + ",\n".join(json.dumps(IMAGENET_NAMES[at]) for at in range(len(IMAGENET_NAMES))) + "\n]\n"


if __name__ == "__main__":
    HEADS.write_text(heads())
    CLASSES.write_text(classes())
    sys.stderr.write(f"{HEADS} and {CLASSES} are written\n")
