"""A bundle named by its folder, MODEL or MODEL/VERSION: opened, every byte verified."""

from __future__ import annotations

from pathlib import Path

from zoo.bundle import Bundle, BundleLayout, model_versions, open_bundle
from zoo.errors import UnknownModel, UnknownVersion


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
