"""A trunk that reads what the data hold: texts, or pairs of them."""

from __future__ import annotations

import dataclasses

from zoo.text import TextInput
from zoo.trunk import Trunk


def with_text_pairs(trunk: Trunk, texts_per_sample: int) -> Trunk:
    """Return `trunk`, reading pairs of texts where `texts_per_sample` is 2."""
    if texts_per_sample == 1 or not isinstance(trunk.inputs, TextInput):
        return trunk
    pairs = dataclasses.replace(trunk.inputs, texts=2)
    return Trunk(trunk.path, trunk.sha256, trunk.signature, pairs, trunk.facts)
