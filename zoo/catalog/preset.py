"""What the tables of KerasHub's and KerasCV's presets share: their rows as written by `zoo.build.hub_table`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from zoo.backbone import FileSource, RemoteFile
from zoo.catalog.origins import ORIGINS, OWN, Origin

WEIGHTS: Final = "model.weights.h5"
CONFIG: Final = "config.json"
_ROOT: Final = "https://www.kaggle.com/api/v1/models"


@cache
def rows(file: str) -> list[dict[str, Any]]:
    """Return the rows of a table beside this file."""
    found: list[dict[str, Any]] = json.loads(Path(__file__).with_name(file).read_bytes())
    return found


def families(file: str) -> dict[str, str]:
    """Return the class of each preset of a table, by the entry's name."""
    return {row["name"]: row["family"] for row in rows(file)}


def files(handle: str, *paths: str) -> FileSource:
    """Return files of a preset; `handle` is Kaggle's: owner/model/framework/variation/version."""
    return FileSource(files=tuple(RemoteFile(url=f"{_ROOT}/{handle}/download/{path}", path=path) for path in paths))


def origin_of(preset: str, handle: str) -> Origin:
    """Return what is known of a preset's weights: its own origin, else that of the model in its address."""
    own = next((origin for begin, origin in OWN.items() if preset.startswith(begin)), None)
    return own or ORIGINS[handle.split("/")[1]]
