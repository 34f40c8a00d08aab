"""Where Graft's tokens part from KerasHub's, by kind: data for catalog entries and docs.

Graft follows the tokenizer.json published with the weights, else the algorithm that the network was pretrained with.
KerasHub's own tokenizers leave both here and there. Plain ASCII text is touched only by the kinds that say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind: `example` gets other ids here than in KerasHub, where the model's vocabulary lets it show."""

    kind: str
    example: str
    ours: str
    keras_hub: str
    plain: bool = False  # touches plain text of the network's own language


CASED: Final = (  # WordPiece that keeps case and accents
    Difference("controls", "soft\u00adly", "control and format characters are dropped", "they end the word"),
    Difference("spaces", "a\u00a0fox", "every Unicode space ends a word", "only the ASCII ones do"),
    Difference("long words", "я" * 60, "a word of over 100 characters is unknown", "one of over 100 bytes is"),
)
_UNCASED: Final = (
    *CASED,
    Difference("accents", "café", "stripped: cafe", "kept: café"),
    Difference("folding", "1²", "lower case only", "compatible forms are folded: 12"),
)
_BYTES: Final = (
    Difference("borders", "\u302e\u30f6", "a mark before a letter is cut off, as in GPT-2", "bytes merge across"),
    Difference("apostrophes", "='s", "cut as in GPT-2: =' and s", "merged across the cut: = and 's", plain=True),
)
_UNIGRAM: Final = (
    Difference("marks", "e\u0302\u0301", "marks may be lost where several follow a letter", "as SentencePiece has it"),
    Difference("ties", "", "equally good paths: decided in float64", "decided in float32"),
)
_ALBERT: Final = (
    *_UNIGRAM,
    Difference("case", "FOX", "lowered first, as in ALBERT's code", "only if the model file lowers", plain=True),
    Difference("accents", "café", "stripped: cafe", "kept: café"),
    Difference("quotes", "``fox''", "become double quotes", "kept", plain=True),
    Difference("digit and comma", "", "parted: 4 and ,", "one piece, if the vocabulary has it", plain=True),
)

DIFFERENCES: Final[Mapping[str, tuple[Difference, ...]]] = MappingProxyType(
    {  # by KerasHub's class; of a cased WordPiece preset only CASED holds
        "AlbertTokenizer": _ALBERT,
        "BartTokenizer": _BYTES,
        "BertTokenizer": _UNCASED,
        "DebertaV3Tokenizer": _UNIGRAM,
        "DistilBertTokenizer": _UNCASED,
        "ElectraTokenizer": _UNCASED,
        "FNetTokenizer": _UNIGRAM,
        "RobertaTokenizer": _BYTES,
        "T5Tokenizer": _UNIGRAM,
        "XLMRobertaTokenizer": _UNIGRAM,
    }
)
