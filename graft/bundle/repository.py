"""A model repository, MODELS/NAME/VERSION: which names are allowed, which models and versions it holds.

Standard library only: a recipe's name is checked before anything heavy is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graft.errors import PublishFailed, RecipeError
from graft.storage.atomic_file import require_writable

MODEL_NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VERSION_PATTERN: Final = re.compile(r"[1-9][0-9]{0,8}")  # of a version


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


def model_names(models: Path) -> list[str]:
    """Return the names of the models in a repository, sorted."""
    return [name for name in model_folder_names(models) if any(versions_newest_first(models, name))]


def model_folder_names(models: Path) -> list[str]:
    """Return what lies in a repository and has the name of a model, sorted; it may have no version."""
    return sorted(name for name in os.listdir(models) if MODEL_NAME_PATTERN.fullmatch(name)) if models.is_dir() else []


def model_versions(models: Path, name: str) -> list[int]:
    """Return the versions of a model, oldest first: folders with a whole number as name and a manifest."""
    return sorted(versions_newest_first(models, name))


def versions_newest_first(models: Path, name: str) -> Iterator[int]:
    """Yield the versions of a model, newest first; a server looks often, and old ones may be many.

    What may not be looked into is no version: one locked folder must not hide all other models.
    """
    folder = os.path.join(models, name)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for number in sorted((int(name) for name in names if VERSION_PATTERN.fullmatch(name)), reverse=True):
        if os.path.isfile(os.path.join(folder, str(number), "manifest.json")):
            yield number


def require_writable_repository(models: Path) -> None:
    """Require that files can be written under `models`; call it before minutes of work. Nothing is left behind.

    Raises:
        PublishFailed: they cannot.
    """
    try:
        require_writable(models)
    except OSError as fault:
        raise PublishFailed(
            f"the models folder {models} cannot be written ({fault.strerror}: {fault.filename}). "
            "Choose another one with --models, or change its permissions. Nothing was done."
        ) from None
