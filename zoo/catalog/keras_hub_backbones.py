"""Backbones of KerasHub: its presets of image networks and of text encoders.

`hub.json` has KerasHub's own facts, written by `python -m tools.catalog.hub_table`. Its presets have no hash, so the
first download is trusted. Other facts are here with their source, or unknown until a trunk is built. Megabytes are
those of the same presets at huggingface.co/keras, tokenizer included. The licence is that of the weights' authors, and
top-1 accuracy is that published for these very weights (both in `published_facts.py`).

Texts are pooled by the mean, which beats the first token for encoders that were not fine-tuned (Reimers and Gurevych
2019, https://arxiv.org/abs/1908.10084, table 1), and for T5's encoder (Ni et al. 2021,
https://arxiv.org/abs/2108.08877). Encoders that were fine-tuned to give one row keep their own pooling.
Every encoder has at least 512 positions, or was trained on 512; `max_tokens` is 512, special tokens included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from zoo.catalog.backbone import Backbone, FileSource, ImageSpec, Pooling, TextSpec, too_large_reason
from zoo.catalog.preset_sizes import preset_size
from zoo.catalog.presets import (
    CONFIG_FILE,
    HUB_FAMILIES,
    ROUNDED_PARAMS,
    UNEXPLAINED_PARAMS,
    WEIGHTS_FILE,
    PresetFamily,
    kaggle_source,
    read_preset_rows,
    weights_origin,
)
from zoo.catalog.published_facts import PUBLISHED_TOP1
from zoo.catalog.tokenizer_differences import CASED_WORDPIECE, TOKENIZER_DIFFERENCES, TokenizerDifference

_DOWNLOAD_MEGABYTES: Final = {
    "albert_base.en_uncased": 47.6,
    "bart_base.en": 559.5,
    "bert_base.en_uncased": 438.2,
    "bert_base.multi": 713.0,
    "bert_small.en_uncased": 115.2,
    "bert_tiny.en_uncased": 17.8,
    "deberta_v3_extra_small.en": 286.0,
    "distil_bert_base.en_uncased": 266.2,
    "electra_small_discriminator.uncased_en": 54.8,
    "f_net_base.en": 332.7,
    "roberta_base.en": 498.5,
    "xlm_roberta_base.multi": 1115.0,
}
_SENTENCEPIECE_BERT: Final = "multilingual_e5_small"  # BERT layers with XLM-RoBERTa's tokenizer
_CASED_PHRASE: Final = "case is maintained"
_UNCASED_PHRASE: Final = "all input is lowercased"


def _make_backbone(row: Mapping[str, Any]) -> Backbone:
    family, origin, size = HUB_FAMILIES[row["family"]], weights_origin(row["preset"], row["handle"]), preset_size(row)
    return Backbone(
        name=row["name"],
        builder=f"hub:preset:{family.takes.pooling}" if isinstance(family.takes, ImageSpec) else "text:preset",
        source=_preset_source(row, family),
        library="keras-hub",
        takes=_input_spec(row, family),
        width=size.width,
        params=size.params,
        ships=size.ships,
        megabytes=_DOWNLOAD_MEGABYTES.get(row["name"]),
        license=origin.license,
        restricts=origin.restricts,
        paper=origin.paper,
        card=row["card"] or origin.card,
        about=_description(row, size.params_note),
        top1=PUBLISHED_TOP1.get(row["name"]),
        differences=_tokenizer_differences(row, family),
        cannot=_unsupported_reason(row),
    )


def _preset_source(row: Mapping[str, Any], family: PresetFamily) -> FileSource:
    if isinstance(family.takes, ImageSpec):
        return kaggle_source(row["handle"], WEIGHTS_FILE, CONFIG_FILE, "image_converter.json")
    assets = ("vocabulary.spm",) if row["preset"] == _SENTENCEPIECE_BERT else family.assets
    return kaggle_source(
        row["handle"], WEIGHTS_FILE, CONFIG_FILE, "tokenizer.json", *(f"assets/tokenizer/{file}" for file in assets)
    )


def _description(row: Mapping[str, Any], params_note: str | None) -> str | None:
    """Return the library's description of a preset, with a note on its number of parameters."""
    if params_note is None or row["about"] is None:
        return params_note or row["about"]
    return f"{row['about']} ({params_note})"


def _input_spec(row: Mapping[str, Any], family: PresetFamily) -> ImageSpec | TextSpec:
    """Return the input spec of the family, with CLS pooling if the encoder was fine-tuned for that.

    Sources: the descriptions of the presets; for BGE that of its authors, https://github.com/FlagOpen/FlagEmbedding.
    """
    fine_tuned = "using CLS pooling" in (row["about"] or "") or row["handle"].split("/")[1] == "bge"
    return dataclasses.replace(family.takes, pooling=Pooling.CLS) if fine_tuned else family.takes


def _tokenizer_differences(row: Mapping[str, Any], family: PresetFamily) -> tuple[TokenizerDifference, ...]:
    if family.tokenizer is None:
        return ()
    if row["preset"] == _SENTENCEPIECE_BERT:
        return TOKENIZER_DIFFERENCES["XLMRobertaTokenizer"]
    is_wordpiece = family.assets == ("vocabulary.txt",)
    # Lower-case differences apply only if the preset is known to lower; Chinese presets do not say.
    is_cased = _CASED_PHRASE in (row["about"] or "") or row["name"].endswith(".zh")
    return CASED_WORDPIECE if is_wordpiece and is_cased else TOKENIZER_DIFFERENCES[family.tokenizer]


def _unsupported_reason(row: Mapping[str, Any]) -> str | None:
    *_, variation, _ = row["handle"].split("/")
    if variation != row["preset"]:
        return f"KerasHub's table gives it the address of another preset, {variation}"
    if reason := HUB_FAMILIES[row["family"]].unsupported_reason:
        return reason
    if preset_size(row).params_note in (ROUNDED_PARAMS, UNEXPLAINED_PARAMS) and (
        reason := too_large_reason(row["params"])
    ):
        return reason
    return None


BACKBONES: Final = tuple(_make_backbone(row) for row in read_preset_rows("hub.json"))
