"""Raw bytes to token ids: THE tokenisation, for training and for serving alike.

A bundle carries its `tokenizer.json`; Hugging Face's `tokenizers` runs it here, so nothing of TensorFlow or of
KerasHub is needed to serve, and what is served is what was trained. Text is data: no text can write a special
token such as [SEP] into the ids. The time grows linearly with the text whatever stands in it, one long run of
a letter, of spaces or of combining marks included: `benchmarks/tokenizing.py` has the measurements. So a cap on
bytes is enough, and there is none on the length of a word.

The special tokens around a text.
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

MAX_TEXT_BYTES: Final = 1 << 20


ARRAY_NAMES: Final = frozenset({"token_ids", "padding_mask", "segment_ids"})


TOKENIZER_MODELS: Final = frozenset({"WordPiece", "BPE", "Unigram"})


# One text is one core's work: who calls decides how many run at a time. A user's own setting stands.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class TextInput:
    """A text's UTF-8 bytes -> int32 [t] token ids. The spec of it travels in every bundle.

    With `texts=2` a sample is a pair; `graft.inputs.text_bytes.to_sample` writes the bytes of both kinds.
    Safe to call from many threads at once: the GIL is released, and one call uses one core.
    """

    tokenizer_json: bytes = field(repr=False)
    special: SpecialTokens
    max_tokens: int  # of a whole sample, special tokens included
    arrays: tuple[str, ...] = ("token_ids", "padding_mask")  # what the trunk takes: a part of ARRAYS
    texts: Literal[1, 2] = 1
    truncation: Literal["longest-first"] = "longest-first"  # the end of the longer text goes first
    special_in_text: Literal["plain"] = "plain"  # "[SEP]" in a text is five characters, never the token
    rules: Literal[1] = 1  # raised whenever the same bytes would give other ids
    vocabulary_size: int = field(init=False, repr=False, compare=False)  # how many ids there are, special ones included
    _tokenizer: Tokenizer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tokenizer", _open_tokenizer(self.tokenizer_json, self.max_tokens))
        object.__setattr__(self, "vocabulary_size", self._tokenizer.get_vocab_size())
        self._validate()

    def spec(self) -> dict[str, Any]:
        """Return what a server must be able to do exactly: goes into manifests and cache keys."""
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
            BundleBroken: these bytes are not the file that the spec names, or a field is missing.
            BundleUnsupported: this Graft cannot do exactly that.
        """
        sha256 = hashlib.sha256(tokenizer_json).hexdigest()
        try:
            if spec["tokenizer_sha256"] != sha256:
                raise BundleBroken(
                    f"tokenizer.json has SHA-256 {sha256}, its manifest names {spec['tokenizer_sha256']}. "
                    "Publish the model again."
                )
            special = SpecialTokens.from_spec(spec["special"])
            bundle_spec = {key: value for key, value in spec.items() if key != "decoder_version"}
            fields = {"max_tokens": int(spec["max_tokens"]), "arrays": tuple(spec["arrays"]), "texts": spec["texts"]}
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BundleBroken(f"the text input spec lacks or garbles a field ({fault!r}). Publish again.") from None
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
        """Tokenise one sample.

        Returns: int32 [t], t <= max_tokens, the special tokens included.

        Raises:
            TextTooLong: more than MAX_BYTES; nothing was read.
            NotText: no UTF-8, no pair where one is due, or nothing in it to read: only whitespace and
                characters that the tokenizer drops. A NUL is a character like any other.
        """
        if len(data) > MAX_TEXT_BYTES:
            raise TextTooLong(
                f"the text has {len(data):,} bytes; allowed are {MAX_TEXT_BYTES:,}. "
                f"Only its first {self.max_tokens:,} tokens count: send the part that matters."
            )
        texts = decode_text_sample(data, self.texts)
        ids = self._encode(texts)
        if len(ids) == len(self._encode(("",) * self.texts)) or not "".join(texts).strip():
            raise NotText("there is nothing to read in the text: it is empty, or whitespace and control characters.")
        return np.array(ids, np.int32)

    def decoder_version(self) -> str:
        """Return the version of the tokenizer library, for the record in a manifest."""
        return str(tokenizers.__version__)

    def batch(self, samples: Sequence[Int32Array]) -> dict[str, Int32Array]:
        """Lay n samples side by side, padded to the longest of them.

        A trunk that takes no padding mask sees the padding; for it everything is padded to `max_tokens`, so that
        no answer depends on a neighbour.

        Returns: int32 [n,t] for each name in `arrays`. `segment_ids` is 1 on the second text of a pair.
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
        # The batch call is the one that releases the GIL; `fast` leaves out the offsets, which nobody asks for.
        ids: list[int] = self._tokenizer.encode_batch_fast([texts[0] if len(texts) == 1 else texts])[0].ids
        return ids

    def _validate(self) -> None:
        """Refuse a file that does not frame a text as `special` says, or lets a text write a special token."""
        odd_arrays = not {"token_ids"} <= set(self.arrays) <= ARRAY_NAMES or len(set(self.arrays)) != len(self.arrays)
        if odd_arrays or self.texts not in (1, 2):
            raise _unsupported_error(f"arrays={self.arrays!r}, texts={self.texts!r}")
        prefix, end = [*self.special.prefix], self.special.end
        single, pair = self._encode(("",)), self._encode(("", ""))
        if single != [*prefix, end] or pair not in ([*prefix, end, end], [*prefix, end, end, end]):
            start = self.special.start
            raise _unsupported_error(
                f"special tokens {start} and {end} around a text (the file gives {single} and {pair})"
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
    except Exception as fault:  # the library's own errors share no base but this
        raise BundleUnsupported(
            f"tokenizer.json cannot be run by tokenizers {tokenizers.__version__} ({fault}). "
            "Serve the bundle with the Graft that made it, or fine-tune again."
        ) from None
    tokenizer.encode_special_tokens = True
    return tokenizer


def _unsupported_error(what: str) -> BundleUnsupported:
    return BundleUnsupported(
        f"the text input asks for {what}, which this Graft cannot do exactly. "
        "Serve the bundle with the Graft that made it, or fine-tune again."
    )


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids that frame a text: `start` text `end`, and `pad` behind the shorter ones of a batch.

    Without a `start` a text begins with its own first token, as T5's do.
    """

    start: int | None
    end: int
    pad: int

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> SpecialTokens:
        """Read what a spec has."""
        start, *others = (spec[name] for name in ("start", "end", "pad"))
        return cls(None if start is None else int(start), *map(int, others))

    @property
    def prefix(self) -> tuple[int, ...]:
        """The ids before a text: one or none."""
        return () if self.start is None else (self.start,)
