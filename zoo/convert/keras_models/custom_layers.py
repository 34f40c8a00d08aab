"""Layers of a user's own, named one by one as module:Class; nothing else of theirs is imported."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import keras

from graft.errors import RecipeError


def import_custom_layers(names: Sequence[str]) -> dict[str, Any]:
    """Import the classes that `names` names, "module:Class", and return them by the names that a file may call them.

    A module is looked for among what is installed and in the current folder.

    Raises:
        RecipeError: one is not of that form, or is not there, or is no class of Keras'.
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
        raise RecipeError(f"--custom {name!r} is not of the form module:Class, such as --custom mylayers:Squeeze.")
    if os.getcwd() not in sys.path:  # `python -P` leaves it out
        sys.path.append(os.getcwd())
    try:
        layer_class = getattr(importlib.import_module(module), class_)
    except Exception as fault:  # the module is the user's: it may fail in any way
        raise RecipeError(
            f"--custom {name} cannot be imported ({type(fault).__name__}: {fault}). It is looked for among what is "
            f"installed and in {os.getcwd()}."
        ) from None
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
        raise RecipeError(f"--custom {name} is no class of a Keras layer.")
    return layer_class
