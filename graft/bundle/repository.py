"""The model repository, MODELS/NAME/VERSION: allowed model names, the list of models and of their versions.

Standard library only, because the commands check a name before they import anything heavy.
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
VERSION_PATTERN: Final = re.compile(r"[1-9][0-9]{0,8}")


def validate_model_name(name: str) -> str:
    """Return `name` if it is allowed as a model name.

    >>> validate_model_name("flowers-2")
    'flowers-2'

    Raises:
        RecipeError: it is not allowed.
    """
    if not MODEL_NAME_PATTERN.fullmatch(name):
        raise RecipeError(
            f"a model cannot be called {name!r}. Allowed are up to 64 characters a-z, 0-9, '.', '_' and '-', "
            "of which the first is a letter or digit; choose one with --name."
        )
    return name


def model_names(models: Path) -> list[str]:
    """Return the sorted names of the models in a repository that have a version."""
    return [name for name in model_folder_names(models) if any(versions_newest_first(models, name))]


def model_folder_names(models: Path) -> list[str]:
    """Return the sorted names in a repository that a model may have, also those without a version."""
    return sorted(name for name in os.listdir(models) if MODEL_NAME_PATTERN.fullmatch(name)) if models.is_dir() else []


def model_versions(models: Path, name: str) -> list[int]:
    """Return the versions of a model, oldest first: folders named by an integer that have a manifest."""
    return sorted(versions_newest_first(models, name))


def versions_newest_first(models: Path, name: str) -> Iterator[int]:
    """Yield the versions of a model, newest first, without looking into the older ones before they are needed.

    An unreadable folder has no versions, so that it does not hide all other models.
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
