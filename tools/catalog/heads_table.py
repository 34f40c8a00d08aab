"""Write zoo/catalog/heads.json and zoo/catalog/imagenet.json: the ImageNet classifiers of keras.applications.

python -m tools.catalog.heads_table

For each network: the weights file with its classifier; and, where the last dense layer does not take globally pooled
maps, width and parameters of the network up to it. Nothing is downloaded or allocated. Class names are KerasHub's.
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

from tools.catalog.applications_table import hash_fields, list_factories
from zoo.convert.networks.applications_networks import build_application_classifier
from zoo.convert.networks.split_last_dense import find_last_dense, has_pooled_input

HEADS_FILE: Final = Path(__file__).parents[2] / "zoo" / "catalog" / "heads.json"
CLASSES_FILE: Final = Path(__file__).parents[2] / "zoo" / "catalog" / "imagenet.json"


def classifier_facts(factory: str) -> dict[str, Any]:
    """Return `url`, `md5` or `sha256` (None: not given), and `below`.

    `below` is width and parameters of the network up to its last dense layer; None if that takes pooled maps.

    Raises:
        TrunkError: the network does not end with a dense layer.
    """
    request: dict[str, Any] = {}

    def file(_: str, origin: str, file_hash: str | None = None, **__: object) -> str:
        request.update(url=origin, hash=file_hash)
        return "weights.h5"

    with warnings.catch_warnings(), keras.StatelessScope(initialize_variables=False):
        warnings.simplefilter("ignore")  # MobileNetV3 warns that it uses its default size
        with patch.object(file_utils, "get_file", file), patch.object(keras.Model, "load_weights", lambda *_: None):
            getattr(keras.applications, factory)()
        model = build_application_classifier(factory, None, None)
        dense, body_facts = find_last_dense(model), None
        if not has_pooled_input(dense):
            params = sum(
                math.prod(weight.shape) for layer in model.layers for weight in layer.weights if layer is not dense
            )
            body_facts = {"width": dense.input.shape[-1], "params": params}
    return {"url": request["url"], **hash_fields(request["hash"]), "below": body_facts}


def render_heads() -> str:
    """Return the text of heads.json."""
    return json.dumps({factory: classifier_facts(factory) for factory in list_factories()}, indent=2) + "\n"


def render_classes() -> str:
    """Return the text of imagenet.json: WordNet id and name of each class, in the order of the scores."""
    return "[\n" + ",\n".join(json.dumps(IMAGENET_NAMES[at]) for at in range(len(IMAGENET_NAMES))) + "\n]\n"


if __name__ == "__main__":
    HEADS_FILE.write_text(render_heads())
    CLASSES_FILE.write_text(render_classes())
    sys.stderr.write(f"wrote {HEADS_FILE} and {CLASSES_FILE}\n")
