"""Text encoders of KerasHub: of each family that gives features of single tokens, the smallest presets; uncased first.

A name is the preset's own with one `_` made a `.`: architecture and size before it, case and language behind it.
Parameters, papers and addresses are those in KerasHub's sources. Its presets carry no hash, so the first fetch is
trusted. Megabytes are those of the same presets at huggingface.co/keras, tokenizer included. The licence is that of
the weights' authors; where KerasHub's card says otherwise, `restricts` tells.

Pooling is the mean: of an encoder that was not fine-tuned it says more than the first token does (Reimers and
Gurevych 2019, https://arxiv.org/abs/1908.10084, table 1). FNet takes no padding mask and mixes every position, so it
always sees `max_tokens` of them; of its tokens only the first was trained to stand for the text.

Every encoder has 512 positions; `max_tokens` is that, special tokens included.
"""

from __future__ import annotations

from typing import Final

from zoo.backbone import Backbone, FileSource, Pooling, RemoteFile, Tokens
from zoo.differences import CASED, DIFFERENCES

_ROOT: Final = "https://www.kaggle.com/api/v1/models"
_PARTS: Final = ("model.weights.h5", "config.json", "tokenizer.json")  # the weights first
_WORDPIECE: Final = ("vocabulary.txt",)
_SENTENCEPIECE: Final = ("vocabulary.spm",)
_BYTES: Final = ("vocabulary.json", "merges.txt")
_MEAN: Final = Tokens(max_tokens=512, pooling=Pooling.MEAN)
_FIRST: Final = Tokens(max_tokens=512, pooling=Pooling.CLS)


def _preset(handle: str, assets: tuple[str, ...]) -> FileSource:
    """Return the files of a preset; `handle` is Kaggle's: owner/model/framework/variation/version."""
    paths = (*_PARTS, *(f"assets/tokenizer/{asset}" for asset in assets))
    return FileSource(files=tuple(RemoteFile(url=f"{_ROOT}/{handle}/download/{path}", path=path) for path in paths))


TABLE: Final = (
    Backbone(
        name="albert_base.en_uncased",
        builder="text:preset",
        source=_preset("keras/albert/keras/albert_base_en_uncased/5", _SENTENCEPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=768,
        params=11_683_584,
        megabytes=47.6,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1909.11942",
        differences=DIFFERENCES["AlbertTokenizer"],
    ),
    Backbone(
        name="bert_base.en_uncased",
        builder="text:preset",
        source=_preset("keras/bert/keras/bert_base_en_uncased/3", _WORDPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=768,
        params=109_482_240,
        megabytes=438.2,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1810.04805",
        differences=DIFFERENCES["BertTokenizer"],
    ),
    Backbone(
        name="bert_base.multi",
        builder="text:preset",
        source=_preset("keras/bert/keras/bert_base_multi/3", _WORDPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=768,
        params=177_853_440,
        megabytes=713.0,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1810.04805",
        differences=CASED,
    ),
    Backbone(
        name="bert_small.en_uncased",
        builder="text:preset",
        source=_preset("keras/bert/keras/bert_small_en_uncased/3", _WORDPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=512,
        params=28_763_648,
        megabytes=115.2,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1810.04805",
        differences=DIFFERENCES["BertTokenizer"],
    ),
    Backbone(
        name="bert_tiny.en_uncased",
        builder="text:preset",
        source=_preset("keras/bert/keras/bert_tiny_en_uncased/3", _WORDPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=128,
        params=4_385_920,
        megabytes=17.8,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1810.04805",
        differences=DIFFERENCES["BertTokenizer"],
    ),
    Backbone(
        name="deberta_v3_extra_small.en",
        builder="text:preset",
        source=_preset("keras/deberta_v3/keras/deberta_v3_extra_small_en/3", _SENTENCEPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=384,
        params=70_682_112,
        megabytes=286.0,
        license="MIT",
        paper="https://arxiv.org/abs/2111.09543",
        differences=DIFFERENCES["DebertaV3Tokenizer"],
    ),
    Backbone(
        name="distil_bert_base.en_uncased",
        builder="text:preset",
        source=_preset("keras/distil_bert/keras/distil_bert_base_en_uncased/3", _WORDPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=768,
        params=66_362_880,
        megabytes=266.2,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1910.01108",
        differences=DIFFERENCES["DistilBertTokenizer"],
    ),
    Backbone(
        name="electra_small_discriminator.uncased_en",
        builder="text:preset",
        source=_preset("keras/electra/keras/electra_small_discriminator_uncased_en/2", _WORDPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=256,
        params=13_548_800,
        megabytes=54.8,
        license="Apache-2.0",
        restricts="KerasHub's card says MIT, the authors' own says Apache-2.0; keep to both",
        paper="https://arxiv.org/abs/2003.10555",
        differences=DIFFERENCES["ElectraTokenizer"],
    ),
    Backbone(
        name="f_net_base.en",
        builder="text:preset",
        source=_preset("keras/f_net/keras/f_net_base_en/3", _SENTENCEPIECE),
        library="keras-hub",
        takes=_FIRST,
        width=768,
        params=82_861_056,
        megabytes=332.7,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/2105.03824",
        differences=DIFFERENCES["FNetTokenizer"],
    ),
    Backbone(
        name="roberta_base.en",
        builder="text:preset",
        source=_preset("keras/roberta/keras/roberta_base_en/3", _BYTES),
        library="keras-hub",
        takes=_MEAN,
        width=768,
        params=124_052_736,
        megabytes=498.5,
        license="MIT",
        restricts="KerasHub's card says Apache-2.0 and leaves the weights to the authors' licence, MIT; keep to both",
        paper="https://arxiv.org/abs/1907.11692",
        differences=DIFFERENCES["RobertaTokenizer"],
    ),
    Backbone(
        name="xlm_roberta_base.multi",
        builder="text:preset",
        source=_preset("keras/xlm_roberta/keras/xlm_roberta_base_multi/3", _SENTENCEPIECE),
        library="keras-hub",
        takes=_MEAN,
        width=768,
        params=277_450_752,
        megabytes=1115.0,
        license="MIT",
        restricts="KerasHub's card says Apache-2.0 and leaves the weights to the authors' licence, MIT; keep to both",
        paper="https://arxiv.org/abs/1911.02116",
        differences=DIFFERENCES["XLMRobertaTokenizer"],
    ),
)
