from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any


def write_keras_archive(path: Path, config: Any, *more: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(config))
        for name in ("metadata.json", "model.weights.h5", *more):
            file.writestr(name, "{}")
    return path


def layer_config(class_: str, module: str | None, **config: Any) -> dict[str, Any]:
    return {"class_name": class_, "module": module, "config": {"name": "odd", **config}, "registered_name": None}
