"""Layers of a user's own, named one by one as module:Class; nothing else of theirs is imported."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import keras

from zoo.errors import RecipeError


def custom_layers(named: Sequence[str]) -> dict[str, Any]:
    """Import the classes that `named` names, "module:Class", and return them by the names that a file may call them.

    A module is looked for among what is installed and in the current folder.

    Raises:
        RecipeError: one is not of that form, or is not there, or is no class of Keras'.
    """
    found: dict[str, Any] = {}
    for name in named:
        made = _imported(name)
        found[made.__name__] = made
        found[keras.saving.get_registered_name(made)] = made
    return found


def _imported(name: str) -> type:
    module, _, class_ = name.partition(":")
    if not (module and class_):
        raise RecipeError(f"--custom {name!r} is not of the form module:Class, such as --custom mylayers:Squeeze.")
    if os.getcwd() not in sys.path:  # `python -P` leaves it out
        sys.path.append(os.getcwd())
    try:
        made = getattr(importlib.import_module(module), class_)
    except Exception as fault:  # the module is the user's: it may fail in any way
        raise RecipeError(
            f"--custom {name} cannot be imported ({type(fault).__name__}: {fault}). It is looked for among what is "
            f"installed and in {os.getcwd()}."
        ) from None
    if not (isinstance(made, type) and issubclass(made, keras.layers.Layer)):
        raise RecipeError(f"--custom {name} is no class of a Keras layer.")
    return made
