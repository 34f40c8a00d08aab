"""Token ids that a caller made with the model's own tokenizer.json, checked and framed as a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.errors import NotText, TextTooLong
from zoo.text import Ints, TextInput


def framed(ids: Sequence[int], inputs: TextInput) -> Ints:
    """Return the ids of one text with the special tokens around them, as `inputs` makes them of the text itself.

    They may come with or without the frame. Nothing is cut off: who counts tokens means all of them.

    Returns: int32 [t], t <= max_tokens.

    Raises:
        NotText: there is no id, one that the vocabulary lacks, or a special token within the text.
        TextTooLong: they are more than the model takes.
    """
    special, most = inputs.special, inputs.max_tokens
    before = special.before
    has_frame = len(ids) > len(before) + 1 and (*ids[: len(before)], ids[-1]) == (*before, special.end)
    whole = [*ids] if has_frame else [*before, *ids, special.end]
    if len(whole) > most:
        raise TextTooLong(
            f"there are {len(ids):,} token ids; the model takes {most:,}, the special ones around a text included. "
            "Send the part that matters, or the text itself, which is cut."
        )
    inner = whole[len(before) : -1]
    if not inner:
        raise NotText("there is nothing to read: no token id.")
    frame = {*before, special.end, special.pad}
    for at, id_ in enumerate(inner, len(before) * has_frame):
        if not 0 <= id_ < inputs.vocabulary:
            raise NotText(
                f"token id {str(id_)[:20]} at {at} is none of the model's, which are 0 to {inputs.vocabulary - 1:,}. "
                "Make the ids with the tokenizer.json of its bundle, or send the text itself."
            )
        if id_ in frame:
            raise NotText(f"token id {id_} at {at} is a special token, which cannot stand within a text. Leave it out.")
    return np.array(whole, np.int32)
