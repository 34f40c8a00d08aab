"""The families of KerasHub and KerasCV whose presets are listed: by class, what is the same in each of them.

Texts are read by encoders, which see a whole text at once. Networks that only continue a text (GPT-2, Bloom, OPT,
Llama and others) are no encoders, and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from zoo.backbone import Pixels, Pooling, Scaling, Tokens

ROUNDED: Final = "the figure is rounded"
_WHOLE: Final = "the figure is that of the whole classifier"
UNTOLD: Final = "KerasHub does not tell what the figure is of"
_TOWERS: Final = "the figure is that of both towers, image and text"
_HALVES: Final = "the figure is that of encoder and decoder together"
_PROTEIN: Final = "KerasHub makes one unknown token of a whole protein, and its attention sees padding as text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One class of a library.

    `assets` are the files of its tokenizer. `counts` says what the library's number of parameters is of, where that
    is not the trunk; `cannot` why no trunk can be made of it.
    """

    takes: Pixels | Tokens
    assets: tuple[str, ...] = ()
    tokenizer: str | None = None
    counts: str | None = None
    cannot: str | None = None


def _image(pooling: Pooling = Pooling.MEAN, counts: str | None = None) -> Family:
    takes = Pixels(size=None, scaling=Scaling.PRESET, pooling=pooling)
    return Family(takes=takes, counts=counts)


def _text(tokenizer: str, *assets: str, pooling: Pooling = Pooling.MEAN, counts: str | None = None) -> Family:
    return Family(takes=Tokens(max_tokens=512, pooling=pooling), tokenizer=tokenizer, assets=assets, counts=counts)


HUB: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "AlbertBackbone": _text("AlbertTokenizer", "vocabulary.spm"),
        "BartBackbone": _text("BartTokenizer", "vocabulary.json", "merges.txt", counts=_HALVES),  # its encoder alone
        "BertBackbone": _text("BertTokenizer", "vocabulary.txt"),
        "CLIPBackbone": _image(Pooling.CLS, _TOWERS),
        "CSPNetBackbone": _image(counts=_WHOLE),
        "DINOV2Backbone": _image(Pooling.CLS),
        "DINOV3Backbone": _image(Pooling.CLS, ROUNDED),
        "DebertaV3Backbone": _text("DebertaV3Tokenizer", "vocabulary.spm"),
        "DeiTBackbone": _image(Pooling.CLS),
        "DenseNetBackbone": _image(),
        "DistilBertBackbone": _text("DistilBertTokenizer", "vocabulary.txt"),
        "EfficientNetBackbone": _image(counts=_WHOLE),
        "ElectraBackbone": _text("ElectraTokenizer", "vocabulary.txt"),
        "ESMBackbone": Family(takes=Tokens(max_tokens=1024, pooling=Pooling.MEAN), cannot=_PROTEIN),
        # FNet takes no padding mask; of its tokens only the first was trained to stand for the text.
        "FNetBackbone": _text("FNetTokenizer", "vocabulary.spm", pooling=Pooling.CLS),
        "HGNetV2Backbone": _image(counts=UNTOLD),
        "MetaCLIP2Backbone": _image(Pooling.CLS, _TOWERS),
        "MiTBackbone": _image(),
        "MobileNetBackbone": _image(counts=UNTOLD),
        "MobileNetV5Backbone": _image(counts=UNTOLD),
        "ResNetBackbone": _image(),
        "RobertaBackbone": _text("RobertaTokenizer", "vocabulary.json", "merges.txt"),
        "SigLIPBackbone": _image(Pooling.POOLER, _TOWERS),
        "SwinTransformerBackbone": _image(),
        # Its encoder alone; that has no longest text of its own, but was trained on 512 tokens.
        "T5Backbone": _text("T5Tokenizer", "vocabulary.spm", counts=_HALVES),
        "VGGBackbone": _image(),
        "ViTBackbone": _image(Pooling.CLS),
        "XLMRobertaBackbone": _text("XLMRobertaTokenizer", "vocabulary.spm"),
        "XceptionBackbone": _image(counts=UNTOLD),
    }
)

CV: Final[tuple[str, ...]] = (
    "CSPDarkNetBackbone",
    "DenseNetBackbone",
    "EfficientNetV2Backbone",
    "MiTBackbone",
    "MobileNetV3Backbone",
    "ResNetBackbone",
    "ResNetV2Backbone",
    "YOLOV8Backbone",
)
