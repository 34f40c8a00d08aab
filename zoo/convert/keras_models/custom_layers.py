"""Import custom Keras layers that a user names as module:Class (`--custom`); no other user code is imported."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import keras

from graft.errors import RecipeError


def import_custom_layers(names: Sequence[str]) -> dict[str, Any]:
    """Import the classes in `names`, each "module:Class"; return them by class name and by registered name.

    Modules are looked up among the installed ones and in the current directory.

    Raises:
        RecipeError: a name is malformed, cannot be imported, or is not a Keras layer.
    """
    classes: dict[str, Any] = {}
    for name in names:
        layer_class = _import_layer_class(name)
        classes[layer_class.__name__] = layer_class
        classes[keras.saving.get_registered_name(layer_class)] = layer_class
    return classes


def _import_layer_class(name: str) -> type:
    module, _, class_ = name.partition(":")
    if not (module and class_):
        raise RecipeError(f"--custom {name!r} is not of the form module:Class. Example: --custom mylayers:Squeeze.")
    if os.getcwd() not in sys.path:  # `python -P` leaves it out
        sys.path.append(os.getcwd())
    try:
        layer_class = getattr(importlib.import_module(module), class_)
    except Exception as fault:  # a user's module may raise anything
        raise RecipeError(
            f"--custom {name} cannot be imported ({type(fault).__name__}: {fault}). It must be installed or in "
            f"{os.getcwd()}."
        ) from None
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
        raise RecipeError(f"--custom {name} is not a subclass of keras.layers.Layer.")
    return layer_class
