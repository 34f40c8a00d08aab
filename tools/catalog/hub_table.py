"""Write zoo/catalog/hub.json and zoo/catalog/cv.json: the presets of the installed KerasHub and KerasCV.

python -m tools.catalog.hub_table

Listing a preset's name requires importing these libraries, which the catalog must not do. Only this script writes the
two files; a test runs it again and fails if they differ. Included are the families of `zoo.catalog.presets`; only the
backbone names are added.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from zoo.catalog.presets import CV_FAMILIES, HUB_FAMILIES

CATALOG_FOLDER: Final = Path(__file__).parents[2] / "zoo" / "catalog"
# A preset's name is its architecture, then its training data, which starts at one of these words.
_TRAINING_WORDS: Final = frozenset(
    (
        *("ade20k", "agc", "cityscapes", "coco", "enc", "en", "ft", "imagenet", "imagenet21k", "laion2b", "lvd1689m"),
        *("multi", "ra", "ra2", "ra4", "sat493m", "ssld", "sw", "uncased", "zh"),
    )
)
# Training data of presets whose names do not include it, from their descriptions or the family's paper.
_TRAINING_DATA: Final = {
    "CLIPBackbone": "openai",
    "DINOV2Backbone": "lvd142m",
    "ESMBackbone": "uniref50",
    "MetaCLIP2Backbone": "worldwide",
    "SigLIPBackbone": "webli",
    "SwinTransformerBackbone": "imagenet",
    "T5Backbone": "c4",
    "bge_llm_embedder": "en",
    "bge_m3": "multi",
    "medsiglip_900m_448": "medical",
    "multilingual_e5_base": "multi",
    "multilingual_e5_large": "multi",
    "multilingual_e5_small": "multi",
}


def main() -> None:
    """Write both tables."""
    for name, data in render_presets().items():
        (CATALOG_FOLDER / name).write_bytes(data)


def render_presets() -> dict[str, bytes]:
    """Return the bytes of both files by name, from the installed libraries; slow, as it imports TensorFlow."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras_cv
    import keras_hub

    return {
        "hub.json": _rows_to_json(_hub_rows(keras_hub.models)),
        "cv.json": _rows_to_json(_cv_rows(keras_cv.models)),
    }


def _hub_rows(models: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a module of KerasHub
    """Yield a row per preset of KerasHub; a preset of a subclass is listed for the subclass only."""
    seen: set[str] = set()
    classes = sorted((getattr(models, name) for name in HUB_FAMILIES), key=lambda cls: -len(cls.__mro__))
    for cls in classes:
        for preset, facts in cls.presets.items():
            if preset not in seen:
                seen.add(preset)
                yield {"name": _backbone_name(cls.__name__, preset), **_preset_row(cls.__name__, preset, facts)}


def _cv_rows(models: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Yield a row per KerasCV preset with weights; "cv_" tells them from KerasHub's of the same name."""
    for name in CV_FAMILIES:
        for preset, facts in getattr(models, name).presets_with_weights.items():
            architecture, _, weights = preset.removesuffix("_backbone").replace("_backbone_", "_").rpartition("_")
            yield {"name": f"{architecture}.cv_{weights}", **_preset_row(name, preset, facts)}


def _preset_row(family: str, preset: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    metadata = facts["metadata"]
    return {
        "preset": preset,
        "family": family,
        "about": " ".join(metadata["description"].split()) or None,
        "params": metadata.get("params"),
        "card": metadata.get("model_card"),
        "handle": facts["kaggle_handle"].removeprefix("kaggle://"),
    }


def _backbone_name(family: str, preset: str) -> str:
    """Return the name `architecture.weights` of a preset, in lower case, with its dots replaced."""
    words = preset.lower().replace(".", "_").split("_")
    split_at = next((at for at, word in enumerate(words) if at and word in _TRAINING_WORDS), None)
    if preset in _TRAINING_DATA or split_at is None:
        return f"{'_'.join(words)}.{_TRAINING_DATA.get(preset) or _TRAINING_DATA[family]}"
    return f"{'_'.join(words[:split_at])}.{'_'.join(words[split_at:])}"


def _rows_to_json(rows: Iterator[dict[str, Any]]) -> bytes:
    """Return rows as JSON, one per line, so that a change in the library changes few lines."""
    lines = [json.dumps(row, ensure_ascii=False) for row in sorted(rows, key=lambda row: row["name"])]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


if __name__ == "__main__":
    main()
