"""Token ids that a caller made with the model's own tokenizer.json, checked and framed as a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graft.errors import NotText, TextTooLong
from graft.inputs.text import TextInput
from graft.types import Int32Array


def add_special_tokens(ids: Sequence[int], inputs: TextInput) -> Int32Array:
    """Return the ids of one text with the special tokens around them, as `inputs` makes them of the text itself.

    They may come with or without the frame. Nothing is cut off: who counts tokens means all of them.

    Returns: int32 [t], t <= max_tokens.

    Raises:
        NotText: there is no id, one that the vocabulary lacks, or a special token within the text.
        TextTooLong: they are more than the model takes.
    """
    special, max_tokens = inputs.special, inputs.max_tokens
    prefix = special.prefix
    has_special_tokens = len(ids) > len(prefix) + 1 and (*ids[: len(prefix)], ids[-1]) == (*prefix, special.end)
    all_ids = [*ids] if has_special_tokens else [*prefix, *ids, special.end]
    if len(all_ids) > max_tokens:
        raise TextTooLong(
            f"there are {len(ids):,} token ids; the model takes {max_tokens:,}, the special ones around a text included. "
            "Send the part that matters, or the text itself, which is cut."
        )
    inner = all_ids[len(prefix) : -1]
    if not inner:
        raise NotText("there is nothing to read: no token id.")
    special_ids = {*prefix, special.end, special.pad}
    for position, id_ in enumerate(inner, len(prefix) * has_special_tokens):
        if not 0 <= id_ < inputs.vocabulary_size:
            raise NotText(
                f"token id {str(id_)[:20]} at {position} is none of the model's, which are 0 to {inputs.vocabulary_size - 1:,}. "
                "Make the ids with the tokenizer.json of its bundle, or send the text itself."
            )
        if id_ in special_ids:
            raise NotText(
                f"token id {id_} at {position} is a special token, which cannot stand within a text. Leave it out."
            )
    return np.array(all_ids, np.int32)
