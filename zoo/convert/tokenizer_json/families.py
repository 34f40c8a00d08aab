"""Convert the tokenizer of a KerasHub preset to tokenizer.json: WordPiece, byte-level BPE, SentencePiece.

Ids equal those of the tokenizer.json published with the weights, if there is one; otherwise those of the algorithm that
the network was pretrained with, even where KerasHub differs: `zoo.catalog.tokenizer_differences` lists these cases.
`graft.inputs.text.TextInput` runs the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from graft.errors import TrunkError
from graft.inputs.text import SpecialTokens
from zoo.convert.tokenizer_json.byte_level_bpe import build_bart, build_byte_level_bpe
from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles, read_tokenizer_files
from zoo.convert.tokenizer_json.sentencepiece import CONTROL, UNKNOWN, Piece, SentencePieceModel, build_unigram

_BERT_INPUTS: Final = ("token_ids", "padding_mask", "segment_ids")
_RESERVED_TOKENS: Final = frozenset({"<pad>", "<s>", "</s>", "<mask>", "[PAD]", "[CLS]", "[SEP]", "[MASK]"})
_MASK_INPUTS: Final = ("token_ids", "padding_mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerFamily:
    """How to build the tokenizers of one architecture, and the inputs of its network."""

    build: Callable[[PresetTokenizerFiles], Tokenizer]
    special_tokens: tuple[str | None, str, str]  # start, end, pad
    arrays: tuple[str, ...]
    separator_count: int = 1  # end tokens between the texts of a pair


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """What `graft.inputs.text.TextInput` needs in addition to the maximum length."""

    tokenizer_json: bytes
    special: SpecialTokens
    arrays: tuple[str, ...]


def tokenizer_from_preset(folder: Path) -> TokenizerSpec:
    """Return the tokenizer of the KerasHub preset in `folder`.

    Raises:
        TrunkError: the preset has no tokenizer of a supported family, or its files cannot be read.
    """
    return tokenizer_from_files(*read_tokenizer_files(folder))


def tokenizer_from_files(kind: str, files: PresetTokenizerFiles) -> TokenizerSpec:
    """Return the tokenizer of KerasHub's class `kind`, one of TOKENIZER_FAMILIES, with its special tokens.

    Raises:
        TrunkError: the family is not supported, or the files are not those of the family.
    """
    if kind not in TOKENIZER_FAMILIES:
        raise TrunkError(
            f"{kind} cannot be converted to a tokenizer.json; supported are {', '.join(TOKENIZER_FAMILIES)}."
        )
    family = TOKENIZER_FAMILIES[kind]
    tokenizer = family.build(files)
    start, end, pad = family.special_tokens
    ids = {name: _require_token_id(tokenizer, name) for name in (start, end, pad) if name}
    special = SpecialTokens(ids[start] if start else None, ids[end], ids[pad])
    prefix = f"{start}:0 " if start else ""
    separator = " ".join([f"{end}:0"] * family.separator_count)
    second_segment = int("segment_ids" in family.arrays)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{prefix}$A:0 {end}:0",
        pair=f"{prefix}$A:0 {separator} $B:{second_segment} {end}:{second_segment}",
        special_tokens=[(name, ids[name]) for name in (start, end) if name],
    )
    return TokenizerSpec(tokenizer.to_str().encode(), special, family.arrays)


def build_wordpiece(files: PresetTokenizerFiles) -> Tokenizer:
    """Return BERT's WordPiece: clean, split CJK, lowercase and strip accents if uncased, then longest match first.

    Source: Devlin et al., 2018, https://github.com/google-research/bert (tokenization.py).
    """
    words = files.file_text("vocabulary.txt").replace("\r\n", "\n").removesuffix("\n").split("\n")
    unknown = str(files.config.get("oov_token", "[UNK]"))
    tokenizer = Tokenizer(models.WordPiece(_word_ids(words), unk_token=unknown, max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=bool(files.config.get("lowercase", False)))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    names = ("[PAD]", unknown, "[CLS]", "[SEP]", "[MASK]")
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names if name in words])
    return tokenizer


def build_sentencepiece(files: PresetTokenizerFiles) -> Tokenizer:
    """Return the Unigram tokenizer of a SentencePiece model file, unchanged: FNet, DeBERTa v3, T5.

    T5's sentinel tokens, <extra_id_0> and so on, are not in the model file, and no text contains them.
    """
    model = _read_sentencepiece_model(files)
    return build_unigram(model, model.pieces)


def build_albert(files: PresetTokenizerFiles) -> Tokenizer:
    """Return Unigram with ALBERT's text cleaning; pieces that end in a digit and a comma are used last.

    Source: Lan et al., 2019, https://github.com/google-research/albert (tokenization.py).
    """
    model = _read_sentencepiece_model(files)
    quotes = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    bare = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    pieces = [
        piece._replace(score=piece.score - 100) if _ends_with_digit_comma(piece.text) else piece
        for piece in model.pieces
    ]
    return build_unigram(model, pieces, [*quotes, *bare])


def build_xlm_roberta(files: PresetTokenizerFiles) -> Tokenizer:
    """Return XLM-RoBERTa's Unigram: four special tokens replace the model's first three, so each id is one higher.

    Source: Conneau et al., 2019, https://github.com/facebookresearch/fairseq (examples/xlmr).
    """
    model = _read_sentencepiece_model(files)
    control = [Piece(name, 0.0, CONTROL) for name in ("<s>", "<pad>", "</s>")]
    unknown = Piece("<unk>", 0.0, UNKNOWN)
    return build_unigram(model, [*control, unknown, *model.pieces[3:], Piece("<mask>", 0.0, CONTROL)])


def _read_sentencepiece_model(files: PresetTokenizerFiles) -> SentencePieceModel:
    model = SentencePieceModel.from_proto(files.file_bytes("vocabulary.spm"))
    # Some models have them as user-defined symbols, which a text could contain; a text must not produce them.
    pieces = tuple(piece._replace(kind=CONTROL) if piece.text in _RESERVED_TOKENS else piece for piece in model.pieces)
    return replace(model, pieces=pieces)


def _ends_with_digit_comma(piece: str) -> bool:
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def _word_ids(words: list[str]) -> dict[str, int]:
    numbers = {word: place for place, word in enumerate(words)}
    if len(numbers) != len(words):
        raise TrunkError(f"vocabulary.txt has {len(words) - len(numbers)} duplicate words. Download the preset again.")
    return numbers


def _require_token_id(tokenizer: Tokenizer, name: str) -> int:
    for text in (name, f"{name} "):  # `build_unigram` adds a space to control pieces
        if (id_ := tokenizer.token_to_id(text)) is not None:
            return int(id_)
    raise TrunkError(f"the preset's vocabulary has no {name}. Download it again.")


_BERT_SPECIAL_TOKENS: Final = ("[CLS]", "[SEP]", "[PAD]")
TOKENIZER_FAMILIES: Final[Mapping[str, TokenizerFamily]] = MappingProxyType(
    {
        "AlbertTokenizer": TokenizerFamily(
            build=build_albert, special_tokens=("[CLS]", "[SEP]", "<pad>"), arrays=_BERT_INPUTS
        ),
        "BartTokenizer": TokenizerFamily(
            build=build_bart, special_tokens=("<s>", "</s>", "<pad>"), arrays=_MASK_INPUTS, separator_count=2
        ),
        "BertTokenizer": TokenizerFamily(
            build=build_wordpiece, special_tokens=_BERT_SPECIAL_TOKENS, arrays=_BERT_INPUTS
        ),
        "DebertaV3Tokenizer": TokenizerFamily(
            build=build_sentencepiece, special_tokens=_BERT_SPECIAL_TOKENS, arrays=_MASK_INPUTS
        ),
        "DistilBertTokenizer": TokenizerFamily(
            build=build_wordpiece, special_tokens=_BERT_SPECIAL_TOKENS, arrays=_MASK_INPUTS
        ),
        "ElectraTokenizer": TokenizerFamily(
            build=build_wordpiece, special_tokens=_BERT_SPECIAL_TOKENS, arrays=_BERT_INPUTS
        ),
        "FNetTokenizer": TokenizerFamily(
            build=build_sentencepiece, special_tokens=("[CLS]", "[SEP]", "<pad>"), arrays=("token_ids", "segment_ids")
        ),
        "RobertaTokenizer": TokenizerFamily(
            build=build_byte_level_bpe, special_tokens=("<s>", "</s>", "<pad>"), arrays=_MASK_INPUTS, separator_count=2
        ),
        "T5Tokenizer": TokenizerFamily(
            build=build_sentencepiece, special_tokens=(None, "</s>", "<pad>"), arrays=_MASK_INPUTS
        ),
        "XLMRobertaTokenizer": TokenizerFamily(
            build=build_xlm_roberta, special_tokens=("<s>", "</s>", "<pad>"), arrays=_MASK_INPUTS, separator_count=2
        ),
    }
)
