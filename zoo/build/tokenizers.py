"""A KerasHub preset's own assets as the `tokenizer.json` that `zoo.text.TextInput` runs.

The truth is the tokenizer.json published with the weights, where there is one; else the algorithm that the network
was pretrained with, not what KerasHub makes of it. `zoo.differences` lists where the two part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from zoo.build.assets import Asset, read_preset
from zoo.build.byte_pairs import bart, byte_pairs
from zoo.build.unigram import CONTROL, UNKNOWN, Piece, SentencePiece, unigram
from zoo.errors import TrunkError
from zoo.special import Special

_BERT: Final = ("token_ids", "padding_mask", "segment_ids")
_RESERVED: Final = frozenset({"<pad>", "<s>", "</s>", "<mask>", "[PAD]", "[CLS]", "[SEP]", "[MASK]"})
_MASKED: Final = ("token_ids", "padding_mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How the tokenizers of one architecture are made, and what its network takes."""

    make: Callable[[Asset], Tokenizer]
    frame: tuple[str | None, str, str]  # start, end, pad
    arrays: tuple[str, ...]
    ends_between: int = 1  # end tokens between the texts of a pair


@dataclass(frozen=True, slots=True)
class Made:
    """What `zoo.text.TextInput` needs besides the length."""

    tokenizer_json: bytes
    special: Special
    arrays: tuple[str, ...]


def of_preset(folder: Path) -> Made:
    """Return the tokenizer of the KerasHub preset in `folder`.

    Raises:
        TrunkError: the preset has no tokenizer of a known family, or its files cannot be read.
    """
    return of_assets(*read_preset(folder))


def of_assets(kind: str, asset: Asset) -> Made:
    """Return the tokenizer that KerasHub's class `kind` stands for; FAMILIES has them all.

    Raises:
        TrunkError: no such family is known, or the files are not those of the family.
    """
    if kind not in FAMILIES:
        raise TrunkError(f"no way is known to make a tokenizer.json of a {kind}; known are {', '.join(FAMILIES)}.")
    family = FAMILIES[kind]
    tokenizer = family.make(asset)
    start, end, pad = family.frame
    ids = {name: _id(tokenizer, name) for name in (start, end, pad) if name}
    special = Special(ids[start] if start else None, ids[end], ids[pad])
    before = f"{start}:0 " if start else ""
    between = " ".join([f"{end}:0"] * family.ends_between)
    second = int("segment_ids" in family.arrays)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before}$A:0 {end}:0",
        pair=f"{before}$A:0 {between} $B:{second} {end}:{second}",
        special_tokens=[(name, ids[name]) for name in (start, end) if name],
    )
    return Made(tokenizer.to_str().encode(), special, family.arrays)


def wordpiece(asset: Asset) -> Tokenizer:
    """BERT's: clean, split CJK, lower and strip accents where the preset is uncased, then the longest pieces.

    Source: Devlin et al., 2018, https://github.com/google-research/bert (tokenization.py).
    """
    words = asset.text("vocabulary.txt").replace("\r\n", "\n").removesuffix("\n").split("\n")
    unknown = str(asset.config.get("oov_token", "[UNK]"))
    tokenizer = Tokenizer(models.WordPiece(_numbered(words), unk_token=unknown, max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=bool(asset.config.get("lowercase", False)))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    names = ("[PAD]", unknown, "[CLS]", "[SEP]", "[MASK]")
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names if name in words])
    return tokenizer


def sentencepiece(asset: Asset) -> Tokenizer:
    """Unigram exactly as the model file says: FNet, DeBERTa v3, T5.

    T5's tokens for a gap in a text, <extra_id_0> and so on, are none of the model's, and no text writes them.
    """
    model = _sentencepiece_model(asset)
    return unigram(model, model.pieces)


def albert(asset: Asset) -> Tokenizer:
    """Unigram behind ALBERT's own cleaning; a piece that joins a digit and a comma is the last resort.

    Source: Lan et al., 2019, https://github.com/google-research/albert (tokenization.py).
    """
    model = _sentencepiece_model(asset)
    quotes = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    bare = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    pieces = [piece._replace(score=piece.score - 100) if _digit_comma(piece.text) else piece for piece in model.pieces]
    return unigram(model, pieces, [*quotes, *bare])


def fairseq(asset: Asset) -> Tokenizer:
    """XLM-RoBERTa's: four special tokens take the place of the model's first three, so each id is one higher.

    Source: Conneau et al., 2019, https://github.com/facebookresearch/fairseq (examples/xlmr).
    """
    model = _sentencepiece_model(asset)
    control = [Piece(name, 0.0, CONTROL) for name in ("<s>", "<pad>", "</s>")]
    unknown = Piece("<unk>", 0.0, UNKNOWN)
    return unigram(model, [*control, unknown, *model.pieces[3:], Piece("<mask>", 0.0, CONTROL)])


def _sentencepiece_model(asset: Asset) -> SentencePiece:
    model = SentencePiece.of(asset.data("vocabulary.spm"))
    # A model may have them as user-defined symbols, which a text could write; here text is data.
    pieces = tuple(piece._replace(kind=CONTROL) if piece.text in _RESERVED else piece for piece in model.pieces)
    return replace(model, pieces=pieces)


def _digit_comma(piece: str) -> bool:
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def _numbered(words: list[str]) -> dict[str, int]:
    numbers = {word: place for place, word in enumerate(words)}
    if len(numbers) != len(words):
        raise TrunkError(f"vocabulary.txt has {len(words) - len(numbers)} words twice. Download the preset again.")
    return numbers


def _id(tokenizer: Tokenizer, name: str) -> int:
    for text in (name, f"{name} "):  # a SentencePiece model's control pieces end in a space: see `unigram`
        if (id_ := tokenizer.token_to_id(text)) is not None:
            return int(id_)
    raise TrunkError(f"the preset's vocabulary has no {name}. Download it again.")


_CLS_SEP: Final = ("[CLS]", "[SEP]", "[PAD]")
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "AlbertTokenizer": Family(make=albert, frame=("[CLS]", "[SEP]", "<pad>"), arrays=_BERT),
        "BartTokenizer": Family(make=bart, frame=("<s>", "</s>", "<pad>"), arrays=_MASKED, ends_between=2),
        "BertTokenizer": Family(make=wordpiece, frame=_CLS_SEP, arrays=_BERT),
        "DebertaV3Tokenizer": Family(make=sentencepiece, frame=_CLS_SEP, arrays=_MASKED),
        "DistilBertTokenizer": Family(make=wordpiece, frame=_CLS_SEP, arrays=_MASKED),
        "ElectraTokenizer": Family(make=wordpiece, frame=_CLS_SEP, arrays=_BERT),
        "FNetTokenizer": Family(
            make=sentencepiece, frame=("[CLS]", "[SEP]", "<pad>"), arrays=("token_ids", "segment_ids")
        ),
        "RobertaTokenizer": Family(make=byte_pairs, frame=("<s>", "</s>", "<pad>"), arrays=_MASKED, ends_between=2),
        "T5Tokenizer": Family(make=sentencepiece, frame=(None, "</s>", "<pad>"), arrays=_MASKED),
        "XLMRobertaTokenizer": Family(make=fairseq, frame=("<s>", "</s>", "<pad>"), arrays=_MASKED, ends_between=2),
    }
)
