"""Bytes to token ids: every trap, pairs, batches, and what a server refuses."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.errors import BundleBroken, BundleUnsupported, InputError, NotText, TextTooLong
from graft.inputs.text import MAX_TEXT_BYTES, SpecialTokens, TextInput
from graft.inputs.text_bytes import decode_text_sample, encode_text_sample
from tests.support.presets.tokenizer_assets import tiny_input_for, tiny_tokenizer_files
from zoo.convert.tokenizer_json.families import TOKENIZER_FAMILIES, tokenizer_from_files

bert = tiny_input_for("BertTokenizer", max_tokens=32)
pairs = tiny_input_for("BertTokenizer", max_tokens=32, texts=2)


def test_text_gets_special_tokens_and_lower_case() -> None:
    ids = bert(b"The QUICK fox")
    assert ids.dtype == np.int32
    assert (ids[0], ids[-1]) == (bert.special.start, bert.special.end)
    assert ids.tolist() == bert(b"the quick fox").tolist()


@pytest.mark.parametrize("kind", TOKENIZER_FAMILIES)
def test_long_text_is_truncated_at_its_end(kind: str) -> None:
    short, long = tiny_input_for(kind, max_tokens=16), tiny_input_for(kind, max_tokens=4096)
    text = b"the quick brown fox " * 50
    assert short(text).tolist() == [*long(text)[:15].tolist(), long.special.end]


@pytest.mark.parametrize("kind", TOKENIZER_FAMILIES)
@pytest.mark.parametrize("name", ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>", "a</s>b"])
def test_text_cannot_write_special_tokens(kind: str, name: str) -> None:
    model = tiny_input_for(kind)
    own = model(f"{name} a {name}".encode())[len(model.special.prefix) : -1].tolist()
    assert own
    assert not {model.special.start, model.special.end, model.special.pad} & set(own)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "the text is empty", id="empty"),
        pytest.param(b" \t\n\xe2\x80\x83 ", "the text is empty", id="whitespace"),
        pytest.param(b"\x00\x01\x7f", "the text is empty", id="controls"),
        pytest.param("\u200b\u200d".encode(), "the text is empty", id="zero-width"),
        pytest.param(b"caf\xe9", r"not UTF-8 text: .* at byte 3 \(0xe9\)", id="latin-1"),
        pytest.param("fox".encode("utf-16"), "not UTF-8 text", id="utf-16"),
        pytest.param(b"a\xed\xa0\x80", "lone surrogate at position 1", id="surrogate"),
        pytest.param(b"a\xed", "not UTF-8 text", id="cut"),
        pytest.param(b"\xc0\x80", "not UTF-8 text", id="overlong"),
    ],
)
def test_invalid_text_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(NotText, match=message):
        bert(data)


@pytest.mark.parametrize("kind", TOKENIZER_FAMILIES)
@pytest.mark.parametrize("blank", [b"", b"  \n", "\u3000".encode()])
def test_blank_text_is_refused_by_every_family(kind: str, blank: bytes) -> None:
    with pytest.raises(NotText):
        tiny_input_for(kind)(blank)


def test_nul_within_a_text_is_a_character() -> None:
    assert bert(b"fo\x00x").tolist() == bert(b"fox").tolist()  # BERT drops control characters
    roberta = tiny_input_for("RobertaTokenizer")
    assert len(roberta(b"fo\x00x")) > len(roberta(b"fox"))  # a byte of its own


def test_too_many_bytes_are_refused_before_reading() -> None:
    assert len(bert(b"x " * (MAX_TEXT_BYTES // 2))) == 32
    with pytest.raises(TextTooLong, match="10,000,000 bytes; allowed are 1,048,576"):
        bert(b"\xff" * 10_000_000)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_fuzzed_text_bytes_give_ids_or_an_input_error(data: bytes) -> None:
    for model in (bert, pairs):
        try:
            ids = model(data)
        except InputError as refusal:
            assert str(refusal).endswith(("words.", "UTF-8.", "Remove it.", '"another"].'))
        else:
            assert 3 <= len(ids) <= 32


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=2))
def test_text_sample_round_trip(texts: list[str]) -> None:
    assert decode_text_sample(encode_text_sample(*texts), len(texts)) == tuple(texts)


def test_text_pair_has_two_segments() -> None:
    sample = pairs(encode_text_sample("a fox", "a cat"))
    end = pairs.special.end
    assert sample.tolist() == [*bert(b"a fox").tolist(), *bert(b"a cat")[1:].tolist()]
    batch = pairs.batch([sample, pairs(encode_text_sample("the", ""))])
    cut = sample.tolist().index(end) + 1
    assert batch["segment_ids"][0].tolist() == [0] * cut + [1] * (len(sample) - cut)
    assert batch["segment_ids"][1].tolist()[-1] == 0


def test_roberta_pair_has_two_end_tokens_between() -> None:
    ids = tiny_input_for("RobertaTokenizer", texts=2)(encode_text_sample("a", "b")).tolist()
    assert ids.count(2) == 3
    assert ids[0] == 0


@pytest.mark.parametrize("data", [b"a text", b'["one"]', b'["a","b","c"]', b'{"a":"b"}', b'["a",1]', b"[" * 99_999])
def test_invalid_text_pair_is_refused(data: bytes) -> None:
    with pytest.raises(NotText, match="JSON list of two strings"):
        pairs(data)


def test_lone_surrogate_is_refused() -> None:
    with pytest.raises(NotText, match="lone surrogate"):
        pairs(b'["a", "\\ud800"]')
    with pytest.raises(NotText, match="lone surrogate"):
        encode_text_sample("a\ud800")


def test_text_that_looks_like_a_pair_stays_one_text() -> None:
    assert len(bert(b'["a", "b"]')) > len(pairs(b'["a", "b"]'))


def test_text_batch_is_padded_to_its_longest() -> None:
    samples = [bert(b"a fox"), bert(b"the quick brown fox")]
    batch = bert.batch(samples)
    assert list(batch) == ["token_ids", "padding_mask", "segment_ids"]
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int32)}
    for row, ids in enumerate(samples):
        assert batch["token_ids"][row].tolist() == [*ids.tolist(), *[0] * (len(samples[1]) - len(ids))]
        assert batch["padding_mask"][row].sum() == len(ids)
    assert bert.batch([])["token_ids"].shape == (0, 0)


def test_text_batch_without_a_padding_mask_uses_full_width() -> None:
    fnet = tiny_input_for("FNetTokenizer", max_tokens=24)
    assert fnet.batch([fnet(b"a fox")])["token_ids"].shape == (1, 24)


def test_text_input_spec_json_round_trip() -> None:
    spec = json.loads(json.dumps({**pairs.spec(), "decoder_version": "9"}))
    again = TextInput.from_spec(spec, pairs.tokenizer_json)
    assert again == pairs
    assert again(encode_text_sample("a", "b")).tolist() == pairs(encode_text_sample("a", "b")).tolist()


@pytest.mark.parametrize(
    "odd",
    [
        *({"rules": 2}, {"truncation": "first"}, {"texts": 3}, {"arrays": ["pixels"]}, {"max_tokens": 2}),
        *({"kind": "image"}, {"special": {"start": 1, "end": 3, "pad": 0}}, {"special_in_text": "tokens"}, {"x": 1}),
    ],
)
def test_text_input_spec_with_unknown_rules_is_refused(odd: dict[str, object]) -> None:
    with pytest.raises(BundleUnsupported, match=next(iter(odd))):
        TextInput.from_spec({**bert.spec(), **odd}, bert.tokenizer_json)


@pytest.mark.parametrize("odd", [{"tokenizer_sha256": "0" * 64}, {"special": {"start": 1}}, {"max_tokens": "many"}])
def test_text_input_spec_that_is_garbled_is_refused(odd: dict[str, object]) -> None:
    with pytest.raises(BundleBroken):
        TextInput.from_spec({**bert.spec(), **odd}, bert.tokenizer_json)


def test_tokenizer_that_lets_text_write_special_tokens_is_refused() -> None:
    facts = json.loads(
        tokenizer_from_files("XLMRobertaTokenizer", tiny_tokenizer_files("XLMRobertaTokenizer")).tokenizer_json
    )
    for piece in facts["model"]["vocab"][:4]:
        piece[0] = piece[0].strip()  # as published files have it: reachable by text
    with pytest.raises(BundleUnsupported, match="a text can write </s>, <pad>, <s>"):
        TextInput(tokenizer_json=json.dumps(facts).encode(), special=SpecialTokens(0, 2, 1), max_tokens=32)


@pytest.mark.parametrize("file", [b"", b"{}", b"\xff", b'{"model": {"type": "WordLevel"}}', b'{"model": 1}'])
def test_tokenizer_file_that_does_not_open_is_refused(file: bytes) -> None:
    with pytest.raises(BundleUnsupported, match="cannot be run"):
        replace(bert, tokenizer_json=file)


def test_tokenizer_gives_the_same_ids_in_many_threads() -> None:
    texts = [f"the quick brown fox {n} café".encode() for n in range(200)]
    alone = [bert(text).tolist() for text in texts]
    answers: list[list[list[int]]] = []
    threads = [threading.Thread(target=lambda: answers.append([bert(t).tolist() for t in texts])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [alone] * 4
