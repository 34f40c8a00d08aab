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

from graft.errors import TrunkError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # kinds of pieces, numbered as in the proto
UNIGRAM_MODEL: Final = 1
SPACE_SYMBOL: Final = "\u2581"

# Field numbers of NormalizerSpec and TrainerSpec that change ids, with the value that is meant where none is written.
_CHARSMAP, _ADD_DUMMY_PREFIX, _REMOVE_EXTRA_WHITESPACES, _ESCAPE_WHITESPACES = (2, b""), (3, 1), (4, 1), (5, 1)
_MODEL_TYPE, _WHITESPACE_AS_SUFFIX, _BYTE_FALLBACK = (3, UNIGRAM_MODEL), (24, 0), (35, 0)


class Piece(NamedTuple):
    """One entry of the vocabulary; its place is its id."""

    text: str
    score: float
    kind: int = NORMAL


@dataclass(frozen=True, slots=True)
class SentencePieceModel:
    """What a .model (KerasHub: vocabulary.spm) says about turning text into ids."""

    pieces: tuple[Piece, ...]
    charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool  # spaces at the ends are dropped, runs of them become one

    @classmethod
    def from_proto(cls, proto: bytes) -> SentencePieceModel:
        """Read a ModelProto.

        Raises:
            TrunkError: it is none, or not a Unigram model without byte fallback.
        """
        try:
            facts = list(_parse_fields(proto))
            pieces = tuple(_parse_piece(bytes(value)) for number, value in facts if number == 1)
            trainer = dict(_parse_fields(b"".join(bytes(value) for number, value in facts if number == 2)))
            normalizer = dict(_parse_fields(b"".join(bytes(value) for number, value in facts if number == 3)))
            charsmap = bytes(normalizer.get(*_CHARSMAP))
        except (IndexError, KeyError, TypeError, ValueError, struct.error) as fault:
            raise TrunkError(
                f"the SentencePiece model cannot be read ({fault!r}). Download the preset again."
            ) from None
        is_unknown_kind = (
            trainer.get(*_MODEL_TYPE) != UNIGRAM_MODEL
            or trainer.get(*_WHITESPACE_AS_SUFFIX)
            or trainer.get(*_BYTE_FALLBACK)
        )
        if (
            is_unknown_kind
            or not normalizer.get(*_ESCAPE_WHITESPACES)
            or sum(piece.kind == UNKNOWN for piece in pieces) != 1
        ):
            raise TrunkError(
                "the SentencePiece model is not of the kind that is known here: Unigram, spaces as prefixes, "
                "one unknown piece, no byte fallback. Choose another backbone."
            )
        return cls(
            pieces, charsmap, bool(normalizer.get(*_ADD_DUMMY_PREFIX)), bool(normalizer.get(*_REMOVE_EXTRA_WHITESPACES))
        )


def build_unigram(
    model: SentencePieceModel, pieces: Sequence[Piece], extra_normalizers: Sequence[normalizers.Normalizer] = ()
) -> Tokenizer:
    """Return a tokenizer whose ids are places in `pieces`, the model's own or a family's rearrangement of them.

    `extra_normalizers` is what the family does to a text before SentencePiece sees it. Text is cut nowhere: the best path is
    sought over the whole of it, as SentencePiece does.

    Raises:
        TrunkError: a user-defined symbol is one that the model's own normalisation would change.
    """
    best = max((piece.score for piece in model.pieces if piece.kind == NORMAL), default=0.0)
    vocabulary = [(_piece_token(piece), _piece_score(piece, best)) for piece in pieces]
    unknown = next(place for place, piece in enumerate(pieces) if piece.kind == UNKNOWN)
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=False))
    model_normalizer = normalizers.Sequence(_normalizer_steps(model))
    for symbol in (piece.text for piece in pieces if piece.kind == USER_DEFINED):
        if model_normalizer.normalize_str(f"a{symbol}a") != model_normalizer.normalize_str("aa").replace(
            "aa", f"a{symbol}a"
        ):
            raise TrunkError(f"the SentencePiece model normalises its own symbol {symbol!r}. Choose another backbone.")
    tokenizer.normalizer = normalizers.Sequence([*extra_normalizers, *_normalizer_steps(model)])
    return tokenizer


def _normalizer_steps(model: SentencePieceModel) -> list[normalizers.Normalizer]:
    steps: list[normalizers.Normalizer] = [normalizers.Precompiled(model.charsmap)] if model.charsmap else []
    if model.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Replace(Regex(r"\A | \z"), "")]
    if model.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE_SYMBOL))
    return [*steps, normalizers.Replace(" ", SPACE_SYMBOL)]


def _piece_token(piece: Piece) -> str:
    """Return the piece's text; one that no text may produce gets a space, which every text has lost by then."""
    return piece.text if piece.kind in (NORMAL, USER_DEFINED) else f"{piece.text} "


def _piece_score(piece: Piece, best: float) -> float:
    # SentencePiece scores a user-defined symbol anew when it encodes, by its length in bytes.
    return len(piece.text.encode()) * best - 0.1 if piece.kind == USER_DEFINED else piece.score


def _parse_piece(message: bytes) -> Piece:
    facts = dict(_parse_fields(message))
    (score,) = struct.unpack("<f", bytes(facts.get(2, bytes(4))))
    return Piece(bytes(facts[1]).decode(), score, int(facts.get(3, NORMAL)))


def _parse_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the raw value of each field of a protocol buffer, in the order of the bytes.

    Source: https://protobuf.dev/programming-guides/encoding
    """
    place = 0
    while place < len(message):
        key, place = _parse_varint(message, place)
        match key & 7:
            case 0:
                value, place = _parse_varint(message, place)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, place = _parse_varint(message, place)
            case 5:
                size = 4
            case wire:
                raise ValueError(f"wire type {wire} at byte {place}")
        if place + size > len(message):
            raise IndexError(f"a field ends behind the last byte, {len(message)}")
        yield key >> 3, message[place : place + size]
        place += size


def _parse_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if byte < 0x80:
            return value, place
