"""Presets of KerasHub: image networks, and text encoders that give features of single tokens.

`hub.json` is what KerasHub says, written by `python -m zoo.build.hub_table`; its presets carry no hash, so the first
fetch is trusted. What it does not say stands here with its source, or is unknown until a trunk is built. Megabytes
are those of the same presets at huggingface.co/keras, tokenizer included. The licence is that of the weights' authors
(`origins.py`); top-1 is told where it is published of these very weights (`accuracies.json`).

A text's pooling is the mean: of an encoder that was not fine-tuned it says more than the first token does (Reimers and
Gurevych 2019, https://arxiv.org/abs/1908.10084, table 1); T5's encoder, too, gives sentences by its mean (Ni et al.
2021, https://arxiv.org/abs/2108.08877). Encoders that were fine-tuned to give one row keep their own.
Every encoder has 512 positions at least, or was trained on as many; `max_tokens` is that, special tokens included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from zoo.backbone import Backbone, FileSource, Pixels, Pooling, Tokens
from zoo.catalog.accuracies import TOP1
from zoo.catalog.families import HUB, ROUNDED, UNTOLD, Family
from zoo.catalog.preset import CONFIG, WEIGHTS, files, origin_of, rows
from zoo.catalog.sizes import size_of
from zoo.differences import CASED, DIFFERENCES, Difference
from zoo.possible import too_large

_MEGABYTES: Final = {
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
_SPM_BERT: Final = "multilingual_e5_small"  # a BERT by its layers, with XLM-RoBERTa's tokenizer
_CASED: Final = "case is maintained"
_UNCASED: Final = "all input is lowercased"


def _entry(row: Mapping[str, Any]) -> Backbone:
    family, origin, size = HUB[row["family"]], origin_of(row["preset"], row["handle"]), size_of(row)
    return Backbone(
        name=row["name"],
        builder=f"hub:preset:{family.takes.pooling}" if isinstance(family.takes, Pixels) else "text:preset",
        source=_source(row, family),
        library="keras-hub",
        takes=_takes(row, family),
        width=size.width,
        params=size.params,
        ships=size.ships,
        megabytes=_MEGABYTES.get(row["name"]),
        license=origin.license,
        restricts=origin.restricts,
        paper=origin.paper,
        card=row["card"] or origin.card,
        about=_about(row, size.counts),
        top1=TOP1.get(row["name"]),
        differences=_differences(row, family),
        cannot=_cannot(row),
    )


def _source(row: Mapping[str, Any], family: Family) -> FileSource:
    if isinstance(family.takes, Pixels):
        return files(row["handle"], WEIGHTS, CONFIG, "image_converter.json")
    assets = ("vocabulary.spm",) if row["preset"] == _SPM_BERT else family.assets
    return files(row["handle"], WEIGHTS, CONFIG, "tokenizer.json", *(f"assets/tokenizer/{file}" for file in assets))


def _about(row: Mapping[str, Any], counts: str | None) -> str | None:
    """Return what the library says of a preset, and what we say of its number of parameters."""
    if counts is None or row["about"] is None:
        return counts or row["about"]
    return f"{row['about']} ({counts})"


def _takes(row: Mapping[str, Any], family: Family) -> Pixels | Tokens:
    """Return the family's input; the first token's features where the encoder was fine-tuned to give those.

    Sources: the descriptions of the presets; for BGE the authors' own, https://github.com/FlagOpen/FlagEmbedding.
    """
    fine_tuned = "using CLS pooling" in (row["about"] or "") or row["handle"].split("/")[1] == "bge"
    return dataclasses.replace(family.takes, pooling=Pooling.CLS) if fine_tuned else family.takes


def _differences(row: Mapping[str, Any], family: Family) -> tuple[Difference, ...]:
    if family.tokenizer is None:
        return ()
    if row["preset"] == _SPM_BERT:
        return DIFFERENCES["XLMRobertaTokenizer"]
    is_wordpiece = family.assets == ("vocabulary.txt",)
    # What lower case adds is told where lower case is known; Chinese presets do not say.
    kept = _CASED in (row["about"] or "") or row["name"].endswith(".zh")
    return CASED if is_wordpiece and kept else DIFFERENCES[family.tokenizer]


def _cannot(row: Mapping[str, Any]) -> str | None:
    *_, variation, _ = row["handle"].split("/")
    if variation != row["preset"]:
        return f"KerasHub's table gives it the address of another preset, {variation}"
    if reason := HUB[row["family"]].cannot:
        return reason
    if size_of(row).counts in (ROUNDED, UNTOLD) and (reason := too_large(row["params"])):
        return reason
    return None


TABLE: Final = tuple(_entry(row) for row in rows("hub.json"))
