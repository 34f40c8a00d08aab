"""A SentencePiece Unigram model as a tokenizer.json that gives the same ids.

The model file is read with the protobuf package: of sentencepiece_model.proto only the fields that change ids are
declared here. Source: https://github.com/google/sentencepiece (sentencepiece_model.proto, unigram_model.cc,
normalizer.cc); Kudo, Subword Regularization, 2018, https://arxiv.org/abs/1804.10959.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]
from tokenizers import Regex, Tokenizer, models, normalizers

from graft.errors import TrunkError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # piece types, numbered as in the proto
UNIGRAM_MODEL: Final = 1
SPACE_SYMBOL: Final = "\u2581"

_Field = descriptor_pb2.FieldDescriptorProto
# Message -> its fields: name, number, type (a message's name, or protobuf's), default. Text is declared as bytes and
# whole numbers as uint64: they are checked here, whatever the protobuf version does with invalid ones.
_MESSAGES: Final[dict[str, tuple[tuple[str, int, int | str, str], ...]]] = {
    "SentencePiece": (
        ("piece", 1, _Field.TYPE_BYTES, ""),
        ("score", 2, _Field.TYPE_FLOAT, ""),
        ("type", 3, _Field.TYPE_UINT64, str(NORMAL)),
    ),
    "TrainerSpec": (
        ("model_type", 3, _Field.TYPE_UINT64, str(UNIGRAM_MODEL)),
        ("treat_whitespace_as_suffix", 24, _Field.TYPE_UINT64, ""),
        ("byte_fallback", 35, _Field.TYPE_UINT64, ""),
    ),
    "NormalizerSpec": (
        ("precompiled_charsmap", 2, _Field.TYPE_BYTES, ""),
        ("add_dummy_prefix", 3, _Field.TYPE_UINT64, "1"),
        ("remove_extra_whitespaces", 4, _Field.TYPE_UINT64, "1"),
        ("escape_whitespaces", 5, _Field.TYPE_UINT64, "1"),
    ),
    "ModelProto": (
        ("pieces", 1, "SentencePiece", ""),
        ("trainer_spec", 2, "TrainerSpec", ""),
        ("normalizer_spec", 3, "NormalizerSpec", ""),
    ),
}
_GROUP_WIRE_TYPES: Final = (3, 4)  # obsolete, and used by no SentencePiece model


class Piece(NamedTuple):
    """One entry of the vocabulary; its index is its id."""

    text: str
    score: float
    kind: int = NORMAL


@dataclass(frozen=True, slots=True)
class SentencePieceModel:
    """The parts of a .model file (KerasHub: vocabulary.spm) that decide which ids a text gets."""

    pieces: tuple[Piece, ...]
    charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool  # spaces at the ends are dropped, runs of them become one

    @classmethod
    def from_proto(cls, proto: bytes) -> SentencePieceModel:
        """Read a serialized ModelProto.

        Raises:
            TrunkError: it is not valid, or not a Unigram model without byte fallback.
        """
        try:
            model = _parse_model(proto)
            pieces = tuple(Piece(piece.piece.decode(), piece.score, piece.type) for piece in model.pieces)
        except (DecodeError, ValueError) as fault:
            raise TrunkError(
                f"the SentencePiece model cannot be read ({fault!r}). Download the preset again."
            ) from None
        trainer, normalizer = model.trainer_spec, model.normalizer_spec
        is_supported = (
            trainer.model_type == UNIGRAM_MODEL
            and not trainer.treat_whitespace_as_suffix
            and not trainer.byte_fallback
            and normalizer.escape_whitespaces
            and sum(piece.kind == UNKNOWN for piece in pieces) == 1
        )
        if not is_supported:
            raise TrunkError(
                "the SentencePiece model is of an unsupported kind. Supported: Unigram, spaces as prefixes, "
                "one unknown piece, no byte fallback. Choose another backbone."
            )
        return cls(
            pieces,
            normalizer.precompiled_charsmap,
            bool(normalizer.add_dummy_prefix),
            bool(normalizer.remove_extra_whitespaces),
        )


def build_unigram(
    model: SentencePieceModel, pieces: Sequence[Piece], extra_normalizers: Sequence[normalizers.Normalizer] = ()
) -> Tokenizer:
    """Return a Unigram tokenizer whose ids are indices into `pieces`: the model's own, or a family's rearrangement.

    `extra_normalizers` run on a text before SentencePiece's own. There is no pre-tokenizer: the best path is searched
    over the whole text, as SentencePiece does.

    Raises:
        TrunkError: the model's own normalization would change one of its user-defined symbols.
    """
    best = max((piece.score for piece in model.pieces if piece.kind == NORMAL), default=0.0)
    vocabulary = [(_piece_token(piece), _piece_score(piece, best)) for piece in pieces]
    unknown = next(index for index, piece in enumerate(pieces) if piece.kind == UNKNOWN)
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=False))
    model_normalizer = normalizers.Sequence(_normalizer_steps(model))
    for symbol in (piece.text for piece in pieces if piece.kind == USER_DEFINED):
        if model_normalizer.normalize_str(f"a{symbol}a") != model_normalizer.normalize_str("aa").replace(
            "aa", f"a{symbol}a"
        ):
            raise TrunkError(
                f"the SentencePiece model would change its own symbol {symbol!r}. Choose another backbone."
            )
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
    """Return the piece's text. One that no text may produce gets a trailing space: normalized texts contain none."""
    return piece.text if piece.kind in (NORMAL, USER_DEFINED) else f"{piece.text} "


def _piece_score(piece: Piece, best: float) -> float:
    # When encoding, SentencePiece scores a user-defined symbol by its length in bytes.
    return len(piece.text.encode()) * best - 0.1 if piece.kind == USER_DEFINED else piece.score


def _parse_model(proto: bytes) -> Any:  # noqa: ANN401 - a class made at run time
    """Return the ModelProto in `proto`, its pieces, trainer_spec and normalizer_spec checked.

    Raises:
        DecodeError: it is no valid protocol buffer.
        ValueError: a field has another wire type than declared, or a piece has no text.
    """
    model = _MODEL_CLASS()
    model.ParseFromString(proto)
    for message in (model, model.trainer_spec, model.normalizer_spec, *model.pieces):
        declared = message.DESCRIPTOR.fields_by_number
        for field in UnknownFieldSet(message):  # protobuf skips a field of a wrong type as if it were unknown
            if field.field_number in declared or field.wire_type in _GROUP_WIRE_TYPES:
                raise ValueError(f"field {field.field_number} has the wire type {field.wire_type}")
    if not all(piece.HasField("piece") for piece in model.pieces):
        raise ValueError("a piece without its text")
    return model


def _make_model_class() -> type[Any]:
    """Return the message class ModelProto of `_MESSAGES`; its pool is private, as other packages declare it too."""
    file = descriptor_pb2.FileDescriptorProto(name="sentencepiece_model.proto", package="graft", syntax="proto2")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, default in fields:
            field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
            if isinstance(kind, str):
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".graft.{kind}"
            else:
                field.type, field.default_value = kind, default
            if name == "pieces":
                field.label = _Field.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    model_class: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName("graft.ModelProto"))
    return model_class


_MODEL_CLASS: Final = _make_model_class()
