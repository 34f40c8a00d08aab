"""Check an untrusted .keras file as data before Keras opens it: only harmless classes are allowed.

Such a file is a zip of config.json, metadata.json and model.weights.h5. The config names the class and the module of
every object that Keras will create. Keras' own layers and operations are allowed, except for those that run code or
read files named by the config, such as Lambda. Any other class must be named by --custom.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.errors import RecipeError

MAX_KERAS_FILE_BYTES: Final = 2 << 30  # unpacked; an ONNX trunk, one protocol buffer, cannot be larger
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
    """One object that the config makes Keras create."""

    class_name: str
    module: str | None
    name: str  # of the layer, if it is one

    def is_keras_class(self) -> bool:
        """Say whether the class is one of Keras' own that only computes."""
        path = (self.module or "").split(".")
        if path[:2] == ["keras", "src"]:
            path = ["keras", *path[2:]]
        if path == ["builtins"]:  # a function of Keras by its name, such as an activation
            return self.class_name == "function"
        return path == ["keras"] or (path[0] == "keras" and path[1] in _KERAS_MODULES)


def check_allowed_classes(path: Path, custom: Sequence[str]) -> None:
    """Require that `path` is a .keras file whose classes are Keras' own or named in `custom` as "module:Class".

    Raises:
        RecipeError: it is not, or holds a harmful class; the message names it and says what to do.
    """
    check_harmless_classes(path)
    allowed = {name.rpartition(":")[2] for name in custom}
    for item in _iter_config_objects(path):
        if not item.class_name.startswith("__") and item.class_name not in allowed and not item.is_keras_class():
            module = item.module or "MODULE"
            raise RecipeError(
                f"{path} holds {_describe(item)}, which is not a class of Keras. If you trust it, add: "
                f"--custom {module}:{item.class_name}"
            )


def check_harmless_classes(path: Path) -> None:
    """Require that `path` is a .keras file without classes of Keras that run code or read files.

    Raises:
        RecipeError: it is not.
    """
    for item in _iter_config_objects(path):
        if reason := _HARMFUL_CLASSES.get(item.class_name):
            raise RecipeError(
                f"{path} holds {_describe(item)}, which is refused: {reason}. "
                "Write it as a layer class in a module of your own, save the model again, and name it by --custom."
            )


def _iter_config_objects(path: Path) -> Iterator[_ConfigObject]:
    config = _read_config(path)
    return _walk_objects({key: value for key, value in config.items() if key != "compile_config"})


def _read_config(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            _check_members(path, members)
            config = json.loads(archive.read("config.json"))
    except FileNotFoundError:
        raise RecipeError(f"{path} does not exist.") from None
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RecursionError) as fault:
        hint = (
            "" if path.suffix == ".keras" else " Older .h5 files are not supported: save the model as .keras in Keras."
        )
        raise RecipeError(f"{path} is not a .keras file ({fault}).{hint}") from None
    if not isinstance(config, dict):
        raise RecipeError(f"{path} is not a .keras file (its config.json is not an object).")
    return config


def _check_members(path: Path, members: dict[str, zipfile.ZipInfo]) -> None:
    unexpected = sorted(members.keys() - _ALLOWED_MEMBERS)
    if unexpected:
        raise RecipeError(
            f"{path} holds {', '.join(unexpected[:3])}; only {', '.join(sorted(_ALLOWED_MEMBERS))} are allowed. "
            "Layers that keep files of their own, such as vocabularies, are not supported."
        )
    size = sum(info.file_size for info in members.values())
    if size > MAX_KERAS_FILE_BYTES or members["config.json"].file_size > MAX_CONFIG_BYTES:
        raise RecipeError(f"{path} unpacks to {size:,} bytes; allowed are {MAX_KERAS_FILE_BYTES:,}.")


def _walk_objects(value: Any, name: str = "") -> Iterator[_ConfigObject]:  # noqa: ANN401 - whatever JSON holds
    """Yield every object with a class in the config, at any depth."""
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


def _describe(item: _ConfigObject) -> str:
    where = f" in the layer {item.name!r}" if item.name else ""
    return f"the class {item.class_name}{where}"
