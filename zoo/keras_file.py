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

from zoo.errors import RecipeError

MAX_BYTES: Final = 2 << 30  # of all, unpacked: a trunk is one protocol buffer, which cannot be larger
MAX_CONFIG: Final = 64 << 20
_MEMBERS: Final = frozenset({"config.json", "metadata.json", "model.weights.h5"})
_PARTS: Final = frozenset((
    "activations", "constraints", "dtype_policies", "initializers", "layers", "models", "ops", "random",
    "regularizers",
))  # fmt: skip
_HARMFUL: Final = {
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
class _Object:
    """One object that the config tells Keras to make."""

    class_: str
    module: str | None
    name: str  # of the layer, where it is one

    def is_kerass_own(self) -> bool:
        """Say whether it is of a part of Keras that computes."""
        path = (self.module or "").split(".")
        if path[:2] == ["keras", "src"]:
            path = ["keras", *path[2:]]
        if path == ["builtins"]:  # a function of Keras by its name, such as an activation
            return self.class_ == "function"
        return path == ["keras"] or (path[0] == "keras" and path[1] in _PARTS)


def check(path: Path, custom: Sequence[str]) -> None:
    """Pass if `path` is a .keras file whose classes are Keras' own, or named in `custom` as "module:Class".

    Raises:
        RecipeError: it is not, or holds what is refused; the message says what, and what to do.
    """
    check_harmless(path)
    named = {name.rpartition(":")[2] for name in custom}
    for found in _found(path):
        if not found.class_.startswith("__") and found.class_ not in named and not found.is_kerass_own():
            module = found.module or "MODULE"
            raise RecipeError(
                f"{path} holds {_told(found)}, which is no class of Keras' own. If you trust it, add: "
                f"--custom {module}:{found.class_}"
            )


def check_harmless(path: Path) -> None:
    """Pass if `path` is a .keras file without those classes of Keras that run code or read files.

    Raises:
        RecipeError: it is not.
    """
    for found in _found(path):
        if why := _HARMFUL.get(found.class_):
            raise RecipeError(
                f"{path} holds {_told(found)}, which is refused: {why}. "
                "Write it as a layer class in a module of your own, save the model again, and name it by --custom."
            )


def _found(path: Path) -> Iterator[_Object]:
    config = _config(path)
    return _objects({key: value for key, value in config.items() if key != "compile_config"})


def _config(path: Path) -> dict[str, Any]:
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
    odd = sorted(members.keys() - _MEMBERS)
    if odd:
        raise RecipeError(
            f"{path} holds {', '.join(odd[:3])}; allowed are {', '.join(sorted(_MEMBERS))} only. "
            "Layers that keep files of their own, such as vocabularies, are not taken in."
        )
    size = sum(info.file_size for info in members.values())
    if size > MAX_BYTES or members["config.json"].file_size > MAX_CONFIG:
        raise RecipeError(f"{path} unpacks to {size:,} bytes; allowed are {MAX_BYTES:,}.")


def _objects(value: Any, name: str = "") -> Iterator[_Object]:  # noqa: ANN401 - whatever JSON holds
    """Yield whatever in the config has a class, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str):
            inner = value.get("config")
            name = str(inner.get("name", name)) if isinstance(inner, dict) else name
            module = value.get("module")
            yield _Object(value["class_name"], str(module) if module else None, name)
        for each in value.values():
            yield from _objects(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _objects(each, name)


def _told(found: _Object) -> str:
    where = f" in the layer {found.name!r}" if found.name else ""
    return f"the class {found.class_}{where}"
