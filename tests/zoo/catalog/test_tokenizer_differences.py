"""Against KerasHub's own tokenizers: the same ids for plain text, and the differences that are listed are real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.presets.keras_hub_text_presets import their_tokenizer
from tests.support.presets.tokenizer_assets import BYTE_PAIRS, asset_of, bare_ids, fuzzed, text_input
from zoo.catalog.tokenizer_differences import TOKENIZER_DIFFERENCES
from zoo.convert.tokenizer_json.families import TOKENIZER_FAMILIES, tokenizer_from_files, tokenizer_from_preset

counts = pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=pytest.mark.slow)])


@counts
@pytest.mark.parametrize("kind", TOKENIZER_FAMILIES)
def test_tokenizer_ids_of_plain_text_equal_keras_hub(kind: str, count: int) -> None:
    ours, reference = (
        text_input(tokenizer_from_files(kind, asset_of(kind)), 1 << 20),
        their_tokenizer(kind, asset_of(kind)),
    )
    texts = ["".join(c for c in text if " " <= c <= "~") for text in fuzzed(count)]
    texts = [text[:90] for text in texts if text.strip()]
    if kind == "AlbertTokenizer":  # the plain differences are in the table
        texts = [text.lower().replace("``", "").replace("''", "") for text in texts]
    if kind in BYTE_PAIRS:
        texts = [text.replace("'", "") for text in texts]
    answers = [[int(id) for id in ids] for ids in reference(texts)]
    assert [bare_ids(ours, text) for text in texts] == answers


@pytest.mark.parametrize(
    ("kind", "example"),
    [(kind, odd.example) for kind, rows in TOKENIZER_DIFFERENCES.items() for odd in rows if odd.example],
)
def test_tokenizer_difference_listed_is_real(kind: str, example: str) -> None:
    asset = asset_of(kind)
    ours = bare_ids(text_input(tokenizer_from_files(kind, asset)), example)
    assert ours != [int(id) for id in their_tokenizer(kind, asset)(example)]


@pytest.mark.parametrize("kind", TOKENIZER_FAMILIES)
def test_tokenizer_saved_by_keras_hub_is_read(kind: str, tmp_path: Path) -> None:
    asset = asset_of(kind)
    their_tokenizer(kind, asset).save_to_preset(str(tmp_path))
    assert tokenizer_from_preset(tmp_path) == tokenizer_from_files(kind, asset)


def test_tokenizer_differences_cover_every_family() -> None:
    assert TOKENIZER_DIFFERENCES.keys() == TOKENIZER_FAMILIES.keys()
