"""What a model may be called. Light: a recipe is checked before anything is imported that works."""

from __future__ import annotations

import re
from typing import Final

from graft.errors import RecipeError

MODEL_NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def validate_model_name(name: str) -> str:
    """Return `name` if a model may be called that.

    Raises:
        RecipeError: it may not.
    """
    if not MODEL_NAME_PATTERN.fullmatch(name):
        raise RecipeError(
            f"a model cannot be called {name!r}. Allowed are up to 64 of a-z, 0-9, '.', '_' and '-', "
            "beginning with a letter or digit; choose one with --name."
        )
    return name
