"""Differences between Graft's tokens and KerasHub's, by kind: data for catalog entries and docs.

Graft follows the tokenizer.json published with the weights, or else the algorithm that the network was pretrained with.
KerasHub's own tokenizers deviate from both in places. Plain ASCII text is affected only by the kinds marked `plain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class TokenizerDifference:
    """One kind of difference: `example` gets other ids here than in KerasHub, if the vocabulary has the pieces."""

    kind: str
    example: str
    ours: str
    keras_hub: str
    plain: bool = False  # affects plain text of the network's own language


CASED_WORDPIECE: Final = (  # WordPiece that keeps case and accents
    TokenizerDifference("controls", "soft\u00adly", "control and format characters are dropped", "they end the word"),
    TokenizerDifference("spaces", "a\u00a0fox", "every Unicode space ends a word", "only the ASCII ones do"),
    TokenizerDifference("long words", "я" * 60, "a word of over 100 characters is unknown", "one of over 100 bytes is"),
)
_UNCASED_WORDPIECE: Final = (
    *CASED_WORDPIECE,
    TokenizerDifference("accents", "café", "stripped: cafe", "kept: café"),
    TokenizerDifference("folding", "1²", "lower case only", "compatible forms are folded: 12"),
)
_BYTE_LEVEL_BPE: Final = (
    TokenizerDifference(
        "borders", "\u302e\u30f6", "a mark before a letter is cut off, as in GPT-2", "bytes merge across"
    ),
    TokenizerDifference(
        "apostrophes", "='s", "cut as in GPT-2: =' and s", "merged across the cut: = and 's", plain=True
    ),
)
_UNIGRAM: Final = (
    TokenizerDifference(
        "marks", "e\u0302\u0301", "marks may be lost where several follow a letter", "as SentencePiece has it"
    ),
    TokenizerDifference("ties", "", "equally good paths: decided in float64", "decided in float32"),
)
_ALBERT: Final = (
    *_UNIGRAM,
    TokenizerDifference(
        "case", "FOX", "lowered first, as in ALBERT's code", "only if the model file lowers", plain=True
    ),
    TokenizerDifference("accents", "café", "stripped: cafe", "kept: café"),
    TokenizerDifference("quotes", "``fox''", "become double quotes", "kept", plain=True),
    TokenizerDifference("digit and comma", "", "parted: 4 and ,", "one piece, if the vocabulary has it", plain=True),
)

TOKENIZER_DIFFERENCES: Final[Mapping[str, tuple[TokenizerDifference, ...]]] = MappingProxyType(
    {  # by KerasHub's class; CASED_WORDPIECE for a cased WordPiece preset
        "AlbertTokenizer": _ALBERT,
        "BartTokenizer": _BYTE_LEVEL_BPE,
        "BertTokenizer": _UNCASED_WORDPIECE,
        "DebertaV3Tokenizer": _UNIGRAM,
        "DistilBertTokenizer": _UNCASED_WORDPIECE,
        "ElectraTokenizer": _UNCASED_WORDPIECE,
        "FNetTokenizer": _UNIGRAM,
        "RobertaTokenizer": _BYTE_LEVEL_BPE,
        "T5Tokenizer": _UNIGRAM,
        "XLMRobertaTokenizer": _UNIGRAM,
    }
)
