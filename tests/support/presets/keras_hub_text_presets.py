"""Tiny random presets in KerasHub's own form on disk, as wide as a catalog entry says."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

import keras

from tests.support.presets.tokenizer_assets import (
    BYTE_LEVEL_BPE_FAMILIES,
    SENTENCEPIECE_LAYOUTS,
    tiny_tokenizer_files,
    train_byte_level_bpe,
    train_wordpiece,
)
from zoo.catalog.backbone import Backbone, FileSource
from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles

TEXT_FAMILIES = {  # a catalog name's beginning -> KerasHub's name of the family
    "albert": "Albert",
    "bart": "Bart",
    "bert": "Bert",
    **dict.fromkeys(("all_minilm", "bge", "msmarco", "multi_qa", "mxbai_embed", "paraphrase"), "Bert"),
    **dict.fromkeys(("bge_m3.multi", "multilingual_e5_base.multi", "multilingual_e5_large.multi"), "XLMRoberta"),
    "multilingual_e5": "Bert",
    "deberta_v3": "DebertaV3",
    "distil_bert": "DistilBert",
    "electra": "Electra",
    "f_net": "FNet",
    **dict.fromkeys(("flan", "t5"), "T5"),
    "roberta": "Roberta",
    "xlm_roberta": "XLMRoberta",
}


@cache
def keras_hub() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return __import__("keras_hub")


def keras_hub_family(name: str) -> str:
    """KerasHub's name of the family of a catalog entry."""
    begins = sorted(TEXT_FAMILIES, key=len, reverse=True)
    return next(TEXT_FAMILIES[begin] for begin in begins if f"{name}_".startswith(f"{begin}_"))


def keras_hub_tokenizer(kind: str, asset: PresetTokenizerFiles) -> object:
    """KerasHub's tokenizer of the same files."""
    if kind in SENTENCEPIECE_LAYOUTS:
        arguments = {"proto": asset.files["vocabulary.spm"]}
    elif kind in BYTE_LEVEL_BPE_FAMILIES:
        vocabulary, merges = train_byte_level_bpe().files.values()
        arguments = {"vocabulary": json.loads(vocabulary), "merges": merges.decode().split("\n")[1:-1]}
    else:
        arguments = {"vocabulary": asset.file_text("vocabulary.txt").split("\n")[:-1], **asset.config}
    return getattr(keras_hub().tokenizers, kind)(**arguments)


def save_preset(entry: Backbone, folder: Path, **sizes: int) -> keras.Model:
    """Let KerasHub write a preset of one layer under `folder`, and return it; `sizes` are other than the entry's."""
    from tests.support.presets.tiny_text_encoders import tiny_text_encoder

    kind = tokenizer_class(entry.name)
    asset = train_wordpiece(lowercase=False) if entry.name == "bert_base.multi" else tiny_tokenizer_files(kind)
    tokenizer = keras_hub_tokenizer(kind, asset)
    of_entry = {"num_layers": 1, "hidden_dim": entry.width, "max_sequence_length": 512}
    # Fairseq's four special tokens are more than the vocabulary that KerasHub's tokenizer tells.
    vocabulary = tokenizer.vocabulary_size() + 4
    model = tiny_text_encoder(keras_hub_family(entry.name), **{"vocabulary": vocabulary, **of_entry, **sizes})
    model.save_to_preset(str(folder))
    tokenizer.save_to_preset(str(folder))
    return model


def tokenizer_class(name: str) -> str:
    """KerasHub's class of the tokenizer of a catalog entry."""
    return "XLMRobertaTokenizer" if name == "multilingual_e5_small.multi" else f"{keras_hub_family(name)}Tokenizer"


def preset_files_by_url(entry: Backbone, folder: Path) -> dict[str, bytes]:
    """The files of a preset by the paths that a mirror serves them under."""
    assert isinstance(entry.source, FileSource)
    return {"/" + file.url.removeprefix("https://"): (folder / file.path).read_bytes() for file in entry.source.files}
