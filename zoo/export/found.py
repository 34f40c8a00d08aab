"""A bundle named by its folder, MODEL or MODEL/VERSION: opened, every byte verified."""

from __future__ import annotations

from pathlib import Path

from zoo.bundle import Bundle, Layout, open_bundle, versions
from zoo.errors import UnknownModel, UnknownVersion


def found(model: Path) -> Bundle:
    """Open the bundle in folder `model`, or the newest version below it.

    Raises:
        UnknownModel: there is no such folder, or nothing was ever published into it.
        UnknownVersion: it is a model, but not of that version.
        BundleBroken: a file is not what the manifest says.
    """
    if Layout(model).manifest.is_file():
        return open_bundle(model)
    name, parent = model.absolute().name, model.absolute().parent
    if numbers := versions(parent, name):
        return open_bundle(model / str(numbers[-1]))
    if known := versions(parent.parent, parent.name):
        raise UnknownVersion(f"{parent} has no version {name}; it has {', '.join(map(str, known))}.")
    raise UnknownModel(
        f"{model} is no published model: a folder models/NAME or models/NAME/VERSION with a manifest.json is meant. "
        "`finetune`, `zoo publish` and `zoo import` make one."
    )
