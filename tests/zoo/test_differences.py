"""Against KerasHub's own tokenizers: the same ids for plain text, and the differences that are listed are real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zoo.presets import their_tokenizer
from tests.zoo.text_assets import BYTE_PAIRS, asset_of, bare_ids, fuzzed, text_input
from zoo.build.tokenizers import FAMILIES, of_assets, of_preset
from zoo.differences import DIFFERENCES

counts = pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=pytest.mark.slow)])


@counts
@pytest.mark.parametrize("kind", FAMILIES)
def test_plain_text_has_keras_hub_s_ids(kind: str, count: int) -> None:
    ours, reference = text_input(of_assets(kind, asset_of(kind)), 1 << 20), their_tokenizer(kind, asset_of(kind))
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
    [(kind, odd.example) for kind, rows in DIFFERENCES.items() for odd in rows if odd.example],
)
def test_a_listed_difference_is_real(kind: str, example: str) -> None:
    asset = asset_of(kind)
    ours = bare_ids(text_input(of_assets(kind, asset)), example)
    assert ours != [int(id) for id in their_tokenizer(kind, asset)(example)]


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_preset_that_keras_hub_saved_is_read(kind: str, tmp_path: Path) -> None:
    asset = asset_of(kind)
    their_tokenizer(kind, asset).save_to_preset(str(tmp_path))
    assert of_preset(tmp_path) == of_assets(kind, asset)


def test_every_family_has_its_row() -> None:
    assert DIFFERENCES.keys() == FAMILIES.keys()
