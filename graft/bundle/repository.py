"""A bundle named by its folder, MODEL or MODEL/VERSION: opened, every byte verified."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graft.bundle.model_name import MODEL_NAME_PATTERN
from graft.bundle.open_bundle import Bundle, BundleLayout, open_bundle
from graft.errors import UnknownModel, UnknownVersion

VERSION_PATTERN: Final = re.compile(r"[1-9][0-9]{0,8}")  # of a version


def resolve_bundle(model: Path) -> Bundle:
    """Open the bundle in folder `model`, or the newest version below it.

    Raises:
        UnknownModel: there is no such folder, or nothing was ever published into it.
        UnknownVersion: it is a model, but not of that version.
        BundleBroken: a file is not what the manifest says.
    """
    if BundleLayout(model).manifest.is_file():
        return open_bundle(model)
    name, parent = model.absolute().name, model.absolute().parent
    if numbers := model_versions(parent, name):
        return open_bundle(model / str(numbers[-1]))
    if model_version_numbers := model_versions(parent.parent, parent.name):
        raise UnknownVersion(f"{parent} has no version {name}; it has {', '.join(map(str, model_version_numbers))}.")
    raise UnknownModel(
        f"{model} is no published model: a folder models/NAME or models/NAME/VERSION with a manifest.json is meant. "
        "`finetune`, `zoo publish` and `zoo import` make one."
    )


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
