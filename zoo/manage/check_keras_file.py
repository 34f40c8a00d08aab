"""What is in a .keras file, read as data: nothing of it is opened by Keras before it has passed here. Standard library.

Such a file is a zip of config.json, metadata.json and model.weights.h5. The config names the class and the module of
every object that Keras will make. Admitted are Keras' own layers, operations and what belongs to them; a few of these
run code or read files that the config names, and are refused. Any other class is the user's own: Keras gets it only if
it was named by --custom.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.errors import RecipeError

MAX_KERAS_FILE_BYTES: Final = 2 << 30  # of all, unpacked: a trunk is one protocol buffer, which cannot be larger
MAX_CONFIG_BYTES: Final = 64 << 20
_ALLOWED_MEMBERS: Final = frozenset({"config.json", "metadata.json", "model.weights.h5"})
_KERAS_MODULES: Final = frozenset((
    "activations", "constraints", "dtype_policies", "initializers", "layers", "models", "ops", "random",
    "regularizers",
))  # fmt: skip
_HARMFUL_CLASSES: Final = {
    "Lambda": "it carries code of its own",
    "__lambda__": "it carries code of its own",
    "TFSMLayer": "it opens a SavedModel, which may hold any operation",
    "TorchModuleWrapper": "it carries a pickle",
    "JaxLayer": "it carries code of its own",
    "FlaxLayer": "it carries code of its own",
    "StringLookup": "it reads a file that the config names",
    "IntegerLookup": "it reads a file that the config names",
    "TextVectorization": "it reads a file that the config names",
}


@dataclass(frozen=True, slots=True)
class _ConfigObject:
    """One object that the config tells Keras to make."""

    class_name: str
    module: str | None
    name: str  # of the layer, where it is one

    def is_keras_class(self) -> bool:
        """Say whether it is of a part of Keras that computes."""
        path = (self.module or "").split(".")
        if path[:2] == ["keras", "src"]:
            path = ["keras", *path[2:]]
        if path == ["builtins"]:  # a function of Keras by its name, such as an activation
            return self.class_name == "function"
        return path == ["keras"] or (path[0] == "keras" and path[1] in _KERAS_MODULES)


def check_allowed_classes(path: Path, custom: Sequence[str]) -> None:
    """Pass if `path` is a .keras file whose classes are Keras' own, or named in `custom` as "module:Class".

    Raises:
        RecipeError: it is not, or holds what is refused; the message says what, and what to do.
    """
    check_harmless_classes(path)
    allowed = {name.rpartition(":")[2] for name in custom}
    for found in _iter_config_objects(path):
        if not found.class_name.startswith("__") and found.class_name not in allowed and not found.is_keras_class():
            module = found.module or "MODULE"
            raise RecipeError(
                f"{path} holds {_describe(found)}, which is no class of Keras' own. If you trust it, add: "
                f"--custom {module}:{found.class_name}"
            )


def check_harmless_classes(path: Path) -> None:
    """Pass if `path` is a .keras file without those classes of Keras that run code or read files.

    Raises:
        RecipeError: it is not.
    """
    for found in _iter_config_objects(path):
        if why := _HARMFUL_CLASSES.get(found.class_name):
            raise RecipeError(
                f"{path} holds {_describe(found)}, which is refused: {why}. "
                "Write it as a layer class in a module of your own, save the model again, and name it by --custom."
            )


def _iter_config_objects(path: Path) -> Iterator[_ConfigObject]:
    config = _read_config(path)
    return _walk_objects({key: value for key, value in config.items() if key != "compile_config"})


def _read_config(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as packed:
            members = {info.filename: info for info in packed.infolist() if not info.is_dir()}
            _check_members(path, members)
            config = json.loads(packed.read("config.json"))
    except FileNotFoundError:
        raise RecipeError(f"there is no file {path}.") from None
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RecursionError) as fault:
        old = " The older .h5 files are not taken in: open it in Keras and save it as .keras."
        raise RecipeError(f"{path} is no .keras file ({fault}).{old if path.suffix != '.keras' else ''}") from None
    if not isinstance(config, dict):
        raise RecipeError(f"{path} is no .keras file (its config.json is no object).")
    return config


def _check_members(path: Path, members: dict[str, zipfile.ZipInfo]) -> None:
    unexpected = sorted(members.keys() - _ALLOWED_MEMBERS)
    if unexpected:
        raise RecipeError(
            f"{path} holds {', '.join(unexpected[:3])}; allowed are {', '.join(sorted(_ALLOWED_MEMBERS))} only. "
            "Layers that keep files of their own, such as vocabularies, are not taken in."
        )
    size = sum(info.file_size for info in members.values())
    if size > MAX_KERAS_FILE_BYTES or members["config.json"].file_size > MAX_CONFIG_BYTES:
        raise RecipeError(f"{path} unpacks to {size:,} bytes; allowed are {MAX_KERAS_FILE_BYTES:,}.")


def _walk_objects(value: Any, name: str = "") -> Iterator[_ConfigObject]:  # noqa: ANN401 - whatever JSON holds
    """Yield whatever in the config has a class, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str):
            inner = value.get("config")
            name = str(inner.get("name", name)) if isinstance(inner, dict) else name
            module = value.get("module")
            yield _ConfigObject(value["class_name"], str(module) if module else None, name)
        for each in value.values():
            yield from _walk_objects(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _walk_objects(each, name)


def _describe(found: _ConfigObject) -> str:
    where = f" in the layer {found.name!r}" if found.name else ""
    return f"the class {found.class_name}{where}"
