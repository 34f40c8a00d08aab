"""The special tokens around a text, of which the first may be missing."""

from __future__ import annotations

import json

import pytest

from graft.errors import BundleBroken, BundleUnsupported, NotText
from graft.inputs.text import TextInput
from graft.inputs.text_bytes import encode_text_sample
from graft.inputs.token_ids import add_special_tokens
from tests.support.presets.tokenizer_assets import tiny_input_for


def test_text_without_a_start_token() -> None:
    t5 = tiny_input_for("T5Tokenizer", max_tokens=24, texts=2)
    assert t5.special.start is None
    again = TextInput.from_spec(json.loads(json.dumps(t5.spec())), t5.tokenizer_json)
    ids = again(encode_text_sample("a fox", "a cat")).tolist()
    assert ids.count(t5.special.end) == 2
    assert ids[-1] == t5.special.end != ids[0]
    alone = tiny_input_for("T5Tokenizer")
    whole = alone(b"a fox").tolist()
    for sent in (whole, whole[:-1]):  # with the frame, and without it
        assert add_special_tokens(sent, alone).tolist() == whole
    for odd in ([t5.special.end], [5, 1, 5], [0], []):
        with pytest.raises(NotText):
            add_special_tokens(odd, alone)
    with pytest.raises(BundleUnsupported, match="special tokens 5 and 1"):
        TextInput.from_spec({**alone.spec(), "special": {"start": 5, "end": 1, "pad": 0}}, alone.tokenizer_json)
    with pytest.raises(BundleBroken):
        TextInput.from_spec({**alone.spec(), "special": {"start": None, "end": None, "pad": 0}}, alone.tokenizer_json)
