"""A BERT by its layers with XLM-RoBERTa's tokenizer, as multilingual E5 of the small size is."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.inputs.text import TextInput
from graft.inputs.text_bytes import encode_text_sample
from graft.runtime.session import open_session
from tests.support.presets.keras_hub_text_presets import save_preset
from zoo.catalog.find import get_backbone

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are using a softmax"),
]


def test_bert_layers_with_xlm_roberta_tokenizer_become_a_trunk(tmp_path: Path) -> None:
    from zoo.convert.text_trunk import build_text_trunk

    entry = get_backbone("multilingual_e5_small.multi")
    save_preset(entry, tmp_path)
    data, report, tokenizer_json = build_text_trunk(entry, tmp_path / "model.weights.h5")
    inputs = TextInput.from_spec(report["input"], tokenizer_json)
    assert {tensor["name"] for tensor in report["signature"]["inputs"]} == {"token_ids", "padding_mask", "segment_ids"}
    batch = inputs.batch([inputs(encode_text_sample("one")), inputs(encode_text_sample("one two three"))])
    assert not batch["segment_ids"].any()
    (features,) = open_session(data).run(None, dict(batch))
    assert features.shape == (2, 384)
