"""Preset families of KerasHub and KerasCV: input, tokenizer files and limits by class; rows of the presets' tables.

Only encoders are listed for texts, because they read a whole text at once. Networks that only continue a text (GPT-2,
Bloom, OPT, Llama and others) are left out. The tables are written by `tools.catalog.hub_table`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from zoo.catalog.backbone import FileSource, ImageSpec, Pooling, RemoteFile, Scaling, TextSpec
from zoo.catalog.published_facts import ORIGIN_BY_MODEL, ORIGIN_BY_PRESET_PREFIX, WeightsOrigin

ROUNDED_PARAMS: Final = "the figure is rounded"
_CLASSIFIER_PARAMS: Final = "the figure is that of the whole classifier"
UNEXPLAINED_PARAMS: Final = "KerasHub does not tell what the figure is of"
_TWO_TOWER_PARAMS: Final = "the figure is that of both towers, image and text"
_ENCODER_DECODER_PARAMS: Final = "the figure is that of encoder and decoder together"
_PROTEIN_REASON: Final = "KerasHub makes one unknown token of a whole protein, and its attention sees padding as text"
CV_FAMILIES: Final[tuple[str, ...]] = (
    "CSPDarkNetBackbone",
    "DenseNetBackbone",
    "EfficientNetV2Backbone",
    "MiTBackbone",
    "MobileNetV3Backbone",
    "ResNetBackbone",
    "ResNetV2Backbone",
    "YOLOV8Backbone",
)
WEIGHTS_FILE: Final = "model.weights.h5"
CONFIG_FILE: Final = "config.json"
_KAGGLE_URL: Final = "https://www.kaggle.com/api/v1/models"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetFamily:
    """The presets of one class of a library.

    `assets` are the files of its tokenizer. `params_note` explains the library's number of parameters if it is not that
    of the trunk; `unsupported_reason` says why no trunk can be built.
    """

    takes: ImageSpec | TextSpec
    assets: tuple[str, ...] = ()
    tokenizer: str | None = None
    params_note: str | None = None
    unsupported_reason: str | None = None


def _image_family(pooling: Pooling = Pooling.MEAN, params_note: str | None = None) -> PresetFamily:
    spec = ImageSpec(size=None, scaling=Scaling.PRESET, pooling=pooling)
    return PresetFamily(takes=spec, params_note=params_note)


def _text_family(
    tokenizer: str, *assets: str, pooling: Pooling = Pooling.MEAN, params_note: str | None = None
) -> PresetFamily:
    return PresetFamily(
        takes=TextSpec(max_tokens=512, pooling=pooling), tokenizer=tokenizer, assets=assets, params_note=params_note
    )


HUB_FAMILIES: Final[Mapping[str, PresetFamily]] = MappingProxyType(
    {
        "AlbertBackbone": _text_family("AlbertTokenizer", "vocabulary.spm"),
        "BartBackbone": _text_family(
            "BartTokenizer", "vocabulary.json", "merges.txt", params_note=_ENCODER_DECODER_PARAMS
        ),  # its encoder alone
        "BertBackbone": _text_family("BertTokenizer", "vocabulary.txt"),
        "CLIPBackbone": _image_family(Pooling.CLS, _TWO_TOWER_PARAMS),
        "CSPNetBackbone": _image_family(params_note=_CLASSIFIER_PARAMS),
        "DINOV2Backbone": _image_family(Pooling.CLS),
        "DINOV3Backbone": _image_family(Pooling.CLS, ROUNDED_PARAMS),
        "DebertaV3Backbone": _text_family("DebertaV3Tokenizer", "vocabulary.spm"),
        "DeiTBackbone": _image_family(Pooling.CLS),
        "DenseNetBackbone": _image_family(),
        "DistilBertBackbone": _text_family("DistilBertTokenizer", "vocabulary.txt"),
        "EfficientNetBackbone": _image_family(params_note=_CLASSIFIER_PARAMS),
        "ElectraBackbone": _text_family("ElectraTokenizer", "vocabulary.txt"),
        "ESMBackbone": PresetFamily(
            takes=TextSpec(max_tokens=1024, pooling=Pooling.MEAN), unsupported_reason=_PROTEIN_REASON
        ),
        # FNet takes no padding mask; only its first token was trained to represent the text.
        "FNetBackbone": _text_family("FNetTokenizer", "vocabulary.spm", pooling=Pooling.CLS),
        "HGNetV2Backbone": _image_family(params_note=UNEXPLAINED_PARAMS),
        "MetaCLIP2Backbone": _image_family(Pooling.CLS, _TWO_TOWER_PARAMS),
        "MiTBackbone": _image_family(),
        "MobileNetBackbone": _image_family(params_note=UNEXPLAINED_PARAMS),
        "MobileNetV5Backbone": _image_family(params_note=UNEXPLAINED_PARAMS),
        "ResNetBackbone": _image_family(),
        "RobertaBackbone": _text_family("RobertaTokenizer", "vocabulary.json", "merges.txt"),
        "SigLIPBackbone": _image_family(Pooling.POOLER, _TWO_TOWER_PARAMS),
        "SwinTransformerBackbone": _image_family(),
        # Its encoder alone; it has no maximum length, but was trained on 512 tokens.
        "T5Backbone": _text_family("T5Tokenizer", "vocabulary.spm", params_note=_ENCODER_DECODER_PARAMS),
        "VGGBackbone": _image_family(),
        "ViTBackbone": _image_family(Pooling.CLS),
        "XLMRobertaBackbone": _text_family("XLMRobertaTokenizer", "vocabulary.spm"),
        "XceptionBackbone": _image_family(params_note=UNEXPLAINED_PARAMS),
    }
)


@cache
def read_preset_rows(file: str) -> list[dict[str, Any]]:
    """Return the rows of a JSON table beside this file."""
    table: list[dict[str, Any]] = json.loads(Path(__file__).with_name(file).read_bytes())
    return table


def families(file: str) -> dict[str, str]:
    """Return the class of each preset in a table, by the name of its backbone."""
    return {row["name"]: row["family"] for row in read_preset_rows(file)}


def kaggle_source(handle: str, *paths: str) -> FileSource:
    """Return the source of a preset's files on Kaggle; `handle` is owner/model/framework/variation/version."""
    return FileSource(
        files=tuple(RemoteFile(url=f"{_KAGGLE_URL}/{handle}/download/{path}", path=path) for path in paths)
    )


def weights_origin(preset: str, handle: str) -> WeightsOrigin:
    """Return the origin of a preset's weights: its own, or else that of the model in its handle."""
    own = next((origin for prefix, origin in ORIGIN_BY_PRESET_PREFIX.items() if preset.startswith(prefix)), None)
    return own or ORIGIN_BY_MODEL[handle.split("/")[1]]
