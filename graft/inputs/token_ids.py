"""Validate token ids that a client computed with the model's tokenizer.json, and add the special tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graft.errors import NotText, TextTooLong
from graft.inputs.text import TextInput
from graft.types import Int32Array


def add_special_tokens(ids: Sequence[int], inputs: TextInput) -> Int32Array:
    """Return the token ids of one text with special tokens around them, as `inputs` tokenizes the text itself.

    `ids` may have the special tokens around them already. Nothing is truncated.

    Returns: int32 [t], t <= max_tokens.

    Raises:
        NotText: there is no id, an id outside the vocabulary, or a special token within the text.
        TextTooLong: there are more ids than the model's maximum.
    """
    special, max_tokens = inputs.special, inputs.max_tokens
    prefix = special.prefix
    has_special_tokens = len(ids) > len(prefix) + 1 and (*ids[: len(prefix)], ids[-1]) == (*prefix, special.end)
    all_ids = [*ids] if has_special_tokens else [*prefix, *ids, special.end]
    if len(all_ids) > max_tokens:
        raise TextTooLong(
            f"there are {len(ids):,} token ids; the maximum is {max_tokens:,}, including special tokens. "
            "Send fewer, or the text itself, which is truncated."
        )
    inner = all_ids[len(prefix) : -1]
    if not inner:
        raise NotText("the text is empty: there are no token ids.")
    special_ids = {*prefix, special.end, special.pad}
    for position, id_ in enumerate(inner, len(prefix) * has_special_tokens):
        if not 0 <= id_ < inputs.vocabulary_size:
            raise NotText(
                f"token id {str(id_)[:20]} at position {position} is outside the vocabulary, which is 0 to "
                f"{inputs.vocabulary_size - 1:,}. Use the model's tokenizer.json, or send the text itself."
            )
        if id_ in special_ids:
            raise NotText(
                f"token id {id_} at position {position} is a special token, not allowed within a text. Remove it."
            )
    return np.array(all_ids, np.int32)
