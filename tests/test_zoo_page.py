"""docs/zoo.md is what its script writes, and each verdict is one of an entry that says the same today."""

from __future__ import annotations

import json

from docs.make_zoo import PAGE, VERDICTS, text
from tests.zoo.contract.verdict import groups
from zoo.backbone import Pixels, catalog, get

FOUND = json.loads(VERDICTS.read_bytes())
TRIED = {name: found for name, found in FOUND.items() if "like" not in found}


def test_the_page_is_what_the_script_writes() -> None:
    assert PAGE.read_text() == text(), "run: python docs/make_zoo.py"


def test_every_entry_stands_in_the_page_once() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(backbone.name for backbone in catalog())


def test_every_entry_that_is_not_refused_has_a_verdict_of_its_own_or_of_one_that_is_the_same() -> None:
    found = {name: verdict.get("like", name) for name, verdict in FOUND.items()}
    assert found == {entry.name: first for first, group in groups().items() for entry in group}


def test_each_verdict_is_of_an_entry_as_it_is_declared_today() -> None:
    for name, found in TRIED.items():
        entry = get(name)
        is_image = isinstance(entry.takes, Pixels)
        if found["network"] == "whole":
            assert entry.width in (None, found["width"]), name
            if is_image or found["weights"] == "random":  # of a published encoder the trunk may lack the pooler
                assert entry.params in (None, found.get("params", entry.params)), name
        if is_image:
            assert entry.takes.size in (None, found["input"]), name


def test_all_pass_and_were_measured() -> None:
    for name, found in TRIED.items():
        assert found["outcome"] == "passes", f"{name}: {found['why']}"
        assert max(found["parity"].values()) <= 1e-4, name
