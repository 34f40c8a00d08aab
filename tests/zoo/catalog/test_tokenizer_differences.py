"""Against KerasHub's own tokenizers: the same ids for plain text, and the differences that are listed are real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.presets.keras_hub_text_presets import keras_hub_tokenizer
from tests.support.presets.tokenizer_assets import (
    BYTE_LEVEL_BPE_FAMILIES,
    fuzz_texts,
    ids_without_special_tokens,
    text_input_from_spec,
    tiny_tokenizer_files,
)
from zoo.catalog.tokenizer_differences import TOKENIZER_DIFFERENCES
from zoo.convert.tokenizer_json.families import TOKENIZER_FAMILIES, tokenizer_from_files, tokenizer_from_preset

counts = pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=pytest.mark.slow)])


@counts
@pytest.mark.parametrize("kind", TOKENIZER_FAMILIES)
def test_tokenizer_ids_of_plain_text_equal_keras_hub(kind: str, count: int) -> None:
    ours, reference = (
        text_input_from_spec(tokenizer_from_files(kind, tiny_tokenizer_files(kind)), 1 << 20),
        keras_hub_tokenizer(kind, tiny_tokenizer_files(kind)),
    )
    texts = ["".join(c for c in text if " " <= c <= "~") for text in fuzz_texts(count)]
    texts = [text[:90] for text in texts if text.strip()]
    if kind == "AlbertTokenizer":  # the plain differences are in the table
        texts = [text.lower().replace("``", "").replace("''", "") for text in texts]
    if kind in BYTE_LEVEL_BPE_FAMILIES:
        texts = [text.replace("'", "") for text in texts]
    answers = [[int(id) for id in ids] for ids in reference(texts)]
    assert [ids_without_special_tokens(ours, text) for text in texts] == answers


@pytest.mark.parametrize(
    ("kind", "example"),
    [(kind, odd.example) for kind, rows in TOKENIZER_DIFFERENCES.items() for odd in rows if odd.example],
)
def test_tokenizer_difference_listed_is_real(kind: str, example: str) -> None:
    asset = tiny_tokenizer_files(kind)
    ours = ids_without_special_tokens(text_input_from_spec(tokenizer_from_files(kind, asset)), example)
    assert ours != [int(id) for id in keras_hub_tokenizer(kind, asset)(example)]


@pytest.mark.parametrize("kind", TOKENIZER_FAMILIES)
def test_tokenizer_saved_by_keras_hub_is_read(kind: str, tmp_path: Path) -> None:
    asset = tiny_tokenizer_files(kind)
    keras_hub_tokenizer(kind, asset).save_to_preset(str(tmp_path))
    assert tokenizer_from_preset(tmp_path) == tokenizer_from_files(kind, asset)


def test_tokenizer_differences_cover_every_family() -> None:
    assert TOKENIZER_DIFFERENCES.keys() == TOKENIZER_FAMILIES.keys()
