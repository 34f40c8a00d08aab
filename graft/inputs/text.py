"""Tokenization: raw bytes to token ids with special tokens, the same code in training and in serving.

A bundle has its own `tokenizer.json`, which Hugging Face's `tokenizers` runs, so serving needs neither TensorFlow nor
KerasHub. Text is data: no text can write a special token such as [SEP] into the ids. The time grows linearly with the
length of a text, whatever it contains (`benchmarks/tokenizing.py` has the measurements), so a limit on bytes suffices.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np
import tokenizers
from tokenizers import Tokenizer

from graft.errors import BundleBroken, BundleUnsupported, NotText, TextTooLong
from graft.inputs.text_bytes import decode_text_sample
from graft.types import Int32Array

MAX_TEXT_BYTES: Final = 1 << 20  # of a sample
ARRAY_NAMES: Final = frozenset({"token_ids", "padding_mask", "segment_ids"})
TOKENIZER_MODELS: Final = frozenset({"WordPiece", "BPE", "Unigram"})

# One text uses one core; the caller decides how many run in parallel. A user's own setting takes precedence.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids of special tokens: `start` before a text, `end` after it, and `pad` after the shorter texts of a batch.

    Without a `start`, a text begins with its own first token, as for T5.
    """

    start: int | None
    end: int
    pad: int

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> SpecialTokens:
        """Read the special tokens of a spec."""
        start, *others = (spec[name] for name in ("start", "end", "pad"))
        return cls(None if start is None else int(start), *map(int, others))

    @property
    def prefix(self) -> tuple[int, ...]:
        """The ids before a text: one, or none."""
        return () if self.start is None else (self.start,)


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class TextInput:
    """Tokenizes UTF-8 bytes to token ids, int32 [t]. Every bundle has its spec.

    With `texts=2` a sample is a pair; `graft.inputs.text_bytes.encode_text_sample` writes the bytes of both kinds.
    Thread-safe: one call uses one core, without the GIL.
    """

    tokenizer_json: bytes = field(repr=False)
    special: SpecialTokens
    max_tokens: int  # of a sample, including special tokens
    arrays: tuple[str, ...] = ("token_ids", "padding_mask")  # the inputs of the trunk, out of ARRAY_NAMES
    texts: Literal[1, 2] = 1
    truncation: Literal["longest-first"] = "longest-first"  # the longer text loses its last tokens first
    special_in_text: Literal["plain"] = "plain"  # "[SEP]" in a text is five characters, not the token
    rules: Literal[1] = 1  # raised whenever the same bytes give other ids
    vocabulary_size: int = field(init=False, repr=False, compare=False)  # number of token ids, including special tokens
    _tokenizer: Tokenizer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tokenizer", _open_tokenizer(self.tokenizer_json, self.max_tokens))
        object.__setattr__(self, "vocabulary_size", self._tokenizer.get_vocab_size())
        self._validate()

    def spec(self) -> dict[str, Any]:
        """Return what a server must reproduce exactly, for manifests and cache keys."""
        return {
            "kind": "text",
            "tokenizer_sha256": hashlib.sha256(self.tokenizer_json).hexdigest(),
            "special": asdict(self.special),
            "max_tokens": self.max_tokens,
            "arrays": list(self.arrays),
            "texts": self.texts,
            "truncation": self.truncation,
            "special_in_text": self.special_in_text,
            "rules": self.rules,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], tokenizer_json: bytes) -> TextInput:
        """Return the input that `spec` and the bundle's tokenizer.json describe.

        Raises:
            BundleBroken: the bytes are not the file whose SHA-256 is in the spec, or a field is missing.
            BundleUnsupported: this Graft cannot reproduce the spec exactly.
        """
        sha256 = hashlib.sha256(tokenizer_json).hexdigest()
        try:
            if spec["tokenizer_sha256"] != sha256:
                raise BundleBroken(
                    f"tokenizer.json has the SHA-256 {sha256}, expected is {spec['tokenizer_sha256']}. "
                    "Publish the model again."
                )
            special = SpecialTokens.from_spec(spec["special"])
            bundle_spec = {key: value for key, value in spec.items() if key != "decoder_version"}
            fields = {"max_tokens": int(spec["max_tokens"]), "arrays": tuple(spec["arrays"]), "texts": spec["texts"]}
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BundleBroken(
                f"the text input spec has a missing or invalid field ({fault!r}). Publish again."
            ) from None
        text_input = cls(tokenizer_json=tokenizer_json, special=special, **fields)
        if (own_spec := text_input.spec()) != bundle_spec:
            differing_keys = sorted(
                key for key in {*own_spec, *bundle_spec} if own_spec.get(key) != bundle_spec.get(key)
            )
            raise _unsupported_error(
                ", ".join(f"{key}={bundle_spec.get(key)!r} (here {own_spec.get(key)!r})" for key in differing_keys)
            )
        return text_input

    def __call__(self, data: bytes) -> Int32Array:
        """Tokenize one sample.

        Returns: token ids, int32 [t], t <= max_tokens, including special tokens.

        Raises:
            TextTooLong: more than MAX_TEXT_BYTES; nothing was tokenized.
            NotText: not UTF-8, not a pair although `texts` is 2, or empty: only whitespace and characters that the
                tokenizer drops. A NUL is a character like any other.
        """
        if len(data) > MAX_TEXT_BYTES:
            raise TextTooLong(
                f"the text has {len(data):,} bytes; allowed are {MAX_TEXT_BYTES:,}. "
                f"Only its first {self.max_tokens:,} tokens are used: send the relevant part."
            )
        texts = decode_text_sample(data, self.texts)
        ids = self._encode(texts)
        if len(ids) == len(self._encode(("",) * self.texts)) or not "".join(texts).strip():
            raise NotText("the text is empty, or has only whitespace and control characters. Send a text with words.")
        return np.array(ids, np.int32)

    def decoder_version(self) -> str:
        """Return the version of the tokenizers library, for information in manifests."""
        return str(tokenizers.__version__)

    def batch(self, samples: Sequence[Int32Array]) -> dict[str, Int32Array]:
        """Stack n token id arrays, int32 [t] each, padded to the longest of them.

        For a trunk without a padding mask, all are padded to `max_tokens`, so that no answer depends on the other
        samples of the batch.

        Returns: int32 [n,t] for each name in `arrays`; `segment_ids` is 1 on the second text of a pair.
        """
        longest = max(map(len, samples), default=0)
        width = longest if "padding_mask" in self.arrays else self.max_tokens
        token_ids = np.full((len(samples), width), self.special.pad, np.int32)
        padding_mask = np.zeros_like(token_ids)
        for row, ids in enumerate(samples):
            token_ids[row, : len(ids)] = ids
            padding_mask[row, : len(ids)] = 1
        ends = (token_ids == self.special.end) & (padding_mask == 1)
        second = (np.cumsum(ends, axis=1) - ends > 0) & (padding_mask == 1)
        all_arrays = {"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": second.astype(np.int32)}
        return {name: all_arrays[name] for name in self.arrays}

    def _encode(self, texts: tuple[str, ...]) -> list[int]:
        # The batch call releases the GIL; `fast` computes no offsets.
        ids: list[int] = self._tokenizer.encode_batch_fast([texts[0] if len(texts) == 1 else texts])[0].ids
        return ids

    def _validate(self) -> None:
        """Reject a tokenizer that adds other special tokens than `special`, or lets a text write a special token."""
        odd_arrays = not {"token_ids"} <= set(self.arrays) <= ARRAY_NAMES or len(set(self.arrays)) != len(self.arrays)
        if odd_arrays or self.texts not in (1, 2):
            raise _unsupported_error(f"arrays={self.arrays!r}, texts={self.texts!r}")
        prefix, end = [*self.special.prefix], self.special.end
        single, pair = self._encode(("",)), self._encode(("", ""))
        if single != [*prefix, end] or pair not in ([*prefix, end, end], [*prefix, end, end, end]):
            start = self.special.start
            raise _unsupported_error(
                f"special tokens {start} and {end} around a text (the file adds {single} and {pair})"
            )
        if self.max_tokens <= len(pair):
            raise _unsupported_error(f"max_tokens={self.max_tokens}")
        special_ids = {*prefix, end, self.special.pad}
        names = [str(self._tokenizer.id_to_token(id_)).strip() for id_ in special_ids]
        forgeable = [name for name in names if special_ids & set(self._encode((name,))[len(prefix) : -1])]
        if forgeable:
            raise _unsupported_error(f"a tokenizer in which a text can write {', '.join(sorted(forgeable))}")


def _open_tokenizer(tokenizer_json: bytes, max_tokens: int) -> Tokenizer:
    try:
        model = json.loads(tokenizer_json)["model"]
        if model["type"] not in TOKENIZER_MODELS or model.get("dropout"):
            raise ValueError(f"a {model['type']} model with dropout {model.get('dropout')}")
        tokenizer = Tokenizer.from_str(tokenizer_json.decode())
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens, strategy="longest_first")
    except Exception as fault:  # the library's errors have no other common base
        raise BundleUnsupported(
            f"tokenizer.json cannot be run by tokenizers {tokenizers.__version__} ({fault}). "
            "Serve the bundle with the version of Graft that published it, or fine-tune again."
        ) from None
    tokenizer.encode_special_tokens = True
    return tokenizer


def _unsupported_error(what: str) -> BundleUnsupported:
    return BundleUnsupported(
        f"the text input needs {what}, which this Graft cannot reproduce exactly. "
        "Serve the bundle with the version of Graft that published it, or fine-tune again."
    )
