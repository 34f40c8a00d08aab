"""The special tokens around a text, of which the first may be missing."""

from __future__ import annotations

import json

import pytest

from tests.zoo.text_assets import input_of
from zoo.errors import BundleBroken, BundleUnsupported, NotText
from zoo.text import TextInput
from zoo.token_ids import framed
from zoo.utf8 import to_sample


def test_without_a_start_a_text_begins_with_itself() -> None:
    t5 = input_of("T5Tokenizer", max_tokens=24, texts=2)
    assert t5.special.start is None
    again = TextInput.of(json.loads(json.dumps(t5.spec())), t5.tokenizer_json)
    ids = again(to_sample("a fox", "a cat")).tolist()
    assert ids.count(t5.special.end) == 2
    assert ids[-1] == t5.special.end != ids[0]
    alone = input_of("T5Tokenizer")
    whole = alone(b"a fox").tolist()
    for sent in (whole, whole[:-1]):  # with the frame, and without it
        assert framed(sent, alone).tolist() == whole
    for odd in ([t5.special.end], [5, 1, 5], [0], []):
        with pytest.raises(NotText):
            framed(odd, alone)
    with pytest.raises(BundleUnsupported, match="special tokens 5 and 1"):
        TextInput.of({**alone.spec(), "special": {"start": 5, "end": 1, "pad": 0}}, alone.tokenizer_json)
    with pytest.raises(BundleBroken):
        TextInput.of({**alone.spec(), "special": {"start": None, "end": None, "pad": 0}}, alone.tokenizer_json)
