"""docs/zoo.md is what its script writes, and each verdict is one of an entry that says the same today."""

from __future__ import annotations

import json

from docs.make_zoo import PAGE, VERDICTS, text
from tests.zoo.contract.verdict import groups
from zoo.catalog.backbone import ImageSpec
from zoo.catalog.find import all_backbones, get_backbone

FOUND = json.loads(VERDICTS.read_bytes())
TRIED = {name: found for name, found in FOUND.items() if "like" not in found}


def test_zoo_page_is_up_to_date() -> None:
    assert PAGE.read_text() == text(), "run: python docs/make_zoo.py"


def test_zoo_page_lists_every_backbone_once() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(backbone.name for backbone in all_backbones())


def test_verdicts_cover_every_buildable_backbone() -> None:
    found = {name: verdict.get("like", name) for name, verdict in FOUND.items()}
    assert found == {entry.name: first for first, group in groups().items() for entry in group}


def test_verdicts_match_the_catalog_of_today() -> None:
    for name, found in TRIED.items():
        entry = get_backbone(name)
        is_image = isinstance(entry.takes, ImageSpec)
        if found["network"] == "whole":
            assert entry.width in (None, found["width"]), name
            if is_image or found["weights"] == "random":  # of a published encoder the trunk may lack the pooler
                assert entry.params in (None, found.get("params", entry.params)), name
        if is_image:
            assert entry.takes.size in (None, found["input"]), name


def test_verdicts_all_pass_with_measured_parity() -> None:
    for name, found in TRIED.items():
        assert found["outcome"] == "passes", f"{name}: {found['why']}"
        assert max(found["parity"].values()) <= 1e-4, name
