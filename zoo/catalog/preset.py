"""What the tables of KerasHub's and KerasCV's presets share: their rows as written by `zoo.build.hub_table`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from zoo.backbone import FileSource, RemoteFile
from zoo.catalog.origins import ORIGIN_BY_MODEL, ORIGIN_BY_PRESET_PREFIX, WeightsOrigin

WEIGHTS_FILE: Final = "model.weights.h5"
CONFIG_FILE: Final = "config.json"
_KAGGLE_URL: Final = "https://www.kaggle.com/api/v1/models"


@cache
def read_preset_rows(file: str) -> list[dict[str, Any]]:
    """Return the rows of a table beside this file."""
    table: list[dict[str, Any]] = json.loads(Path(__file__).with_name(file).read_bytes())
    return table


def families(file: str) -> dict[str, str]:
    """Return the class of each preset of a table, by the entry's name."""
    return {row["name"]: row["family"] for row in read_preset_rows(file)}


def kaggle_source(handle: str, *paths: str) -> FileSource:
    """Return files of a preset; `handle` is Kaggle's: owner/model/framework/variation/version."""
    return FileSource(
        files=tuple(RemoteFile(url=f"{_KAGGLE_URL}/{handle}/download/{path}", path=path) for path in paths)
    )


def weights_origin(preset: str, handle: str) -> WeightsOrigin:
    """Return what is known of a preset's weights: its own origin, else that of the model in its address."""
    own = next((origin for prefix, origin in ORIGIN_BY_PRESET_PREFIX.items() if preset.startswith(prefix)), None)
    return own or ORIGIN_BY_MODEL[handle.split("/")[1]]
