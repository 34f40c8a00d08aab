"""A SentencePiece Unigram model as a tokenizer.json that gives the same ids.

Source: https://github.com/google/sentencepiece (sentencepiece_model.proto, unigram_model.cc, normalizer.cc);
Kudo, Subword Regularization, 2018, https://arxiv.org/abs/1804.10959.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tokenizers import Regex, Tokenizer, models, normalizers

from zoo.errors import TrunkError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # kinds of pieces, numbered as in the proto
UNIGRAM: Final = 1
SPACE: Final = "\u2581"

# Field numbers of NormalizerSpec and TrainerSpec that change ids, with the value that is meant where none is written.
_CHARSMAP, _DUMMY_PREFIX, _TRIMMED, _ESCAPED = (2, b""), (3, 1), (4, 1), (5, 1)
_MODEL_TYPE, _SUFFIX, _BYTE_FALLBACK = (3, UNIGRAM), (24, 0), (35, 0)


class Piece(NamedTuple):
    """One entry of the vocabulary; its place is its id."""

    text: str
    score: float
    kind: int = NORMAL


@dataclass(frozen=True, slots=True)
class SentencePiece:
    """What a .model (KerasHub: vocabulary.spm) says about turning text into ids."""

    pieces: tuple[Piece, ...]
    charsmap: bytes
    dummy_prefix: bool
    trimmed: bool  # spaces at the ends are dropped, runs of them become one

    @classmethod
    def of(cls, proto: bytes) -> SentencePiece:
        """Read a ModelProto.

        Raises:
            TrunkError: it is none, or not a Unigram model without byte fallback.
        """
        try:
            facts = list(_fields(proto))
            pieces = tuple(_piece(bytes(value)) for number, value in facts if number == 1)
            trainer = dict(_fields(b"".join(bytes(value) for number, value in facts if number == 2)))
            rules = dict(_fields(b"".join(bytes(value) for number, value in facts if number == 3)))
            charsmap = bytes(rules.get(*_CHARSMAP))
        except (IndexError, KeyError, TypeError, ValueError, struct.error) as fault:
            raise TrunkError(
                f"the SentencePiece model cannot be read ({fault!r}). Download the preset again."
            ) from None
        odd = trainer.get(*_MODEL_TYPE) != UNIGRAM or trainer.get(*_SUFFIX) or trainer.get(*_BYTE_FALLBACK)
        if odd or not rules.get(*_ESCAPED) or sum(piece.kind == UNKNOWN for piece in pieces) != 1:
            raise TrunkError(
                "the SentencePiece model is not of the kind that is known here: Unigram, spaces as prefixes, "
                "one unknown piece, no byte fallback. Choose another backbone."
            )
        return cls(pieces, charsmap, bool(rules.get(*_DUMMY_PREFIX)), bool(rules.get(*_TRIMMED)))


def unigram(model: SentencePiece, pieces: Sequence[Piece], before: Sequence[normalizers.Normalizer] = ()) -> Tokenizer:
    """Return a tokenizer whose ids are places in `pieces`, the model's own or a family's rearrangement of them.

    `before` is what the family does to a text before SentencePiece sees it. Text is cut nowhere: the best path is
    sought over the whole of it, as SentencePiece does.

    Raises:
        TrunkError: a user-defined symbol is one that the model's own normalisation would change.
    """
    best = max((piece.score for piece in model.pieces if piece.kind == NORMAL), default=0.0)
    vocabulary = [(_reachable(piece), _score(piece, best)) for piece in pieces]
    unknown = next(place for place, piece in enumerate(pieces) if piece.kind == UNKNOWN)
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=False))
    own = normalizers.Sequence(_normalisation(model))
    for symbol in (piece.text for piece in pieces if piece.kind == USER_DEFINED):
        if own.normalize_str(f"a{symbol}a") != own.normalize_str("aa").replace("aa", f"a{symbol}a"):
            raise TrunkError(f"the SentencePiece model normalises its own symbol {symbol!r}. Choose another backbone.")
    tokenizer.normalizer = normalizers.Sequence([*before, *_normalisation(model)])
    return tokenizer


def _normalisation(model: SentencePiece) -> list[normalizers.Normalizer]:
    steps: list[normalizers.Normalizer] = [normalizers.Precompiled(model.charsmap)] if model.charsmap else []
    if model.trimmed:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Replace(Regex(r"\A | \z"), "")]
    if model.dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    return [*steps, normalizers.Replace(" ", SPACE)]


def _reachable(piece: Piece) -> str:
    """Return the piece's text; one that no text may produce gets a space, which every text has lost by then."""
    return piece.text if piece.kind in (NORMAL, USER_DEFINED) else f"{piece.text} "


def _score(piece: Piece, best: float) -> float:
    # SentencePiece scores a user-defined symbol anew when it encodes, by its length in bytes.
    return len(piece.text.encode()) * best - 0.1 if piece.kind == USER_DEFINED else piece.score


def _piece(message: bytes) -> Piece:
    facts = dict(_fields(message))
    (score,) = struct.unpack("<f", bytes(facts.get(2, bytes(4))))
    return Piece(bytes(facts[1]).decode(), score, int(facts.get(3, NORMAL)))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the raw value of each field of a protocol buffer, in the order of the bytes.

    Source: https://protobuf.dev/programming-guides/encoding
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        match key & 7:
            case 0:
                value, place = _varint(message, place)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, place = _varint(message, place)
            case 5:
                size = 4
            case wire:
                raise ValueError(f"wire type {wire} at byte {place}")
        if place + size > len(message):
            raise IndexError(f"a field ends behind the last byte, {len(message)}")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if byte < 0x80:
            return value, place
