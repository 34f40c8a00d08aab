"""docs/zoo.md is what its script writes, and each verdict is one of an entry that says the same today."""

from __future__ import annotations

import json

from docs.make_zoo import PAGE, VERDICTS, text
from zoo.backbone import Pixels, catalog, get

FOUND = json.loads(VERDICTS.read_bytes())


def test_the_page_is_what_the_script_writes() -> None:
    assert PAGE.read_text() == text(), "run: python docs/make_zoo.py"


def test_every_entry_stands_in_the_page_once() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(backbone.name for backbone in catalog())


def test_each_verdict_is_of_an_entry_as_it_is_declared_today() -> None:
    for name, found in FOUND.items():
        backbone = get(name)
        assert backbone.name == name
        if found.get("weights") == "random":
            assert isinstance(backbone.takes, Pixels)
            size = backbone.takes.size
            assert (found["params"], found["width"]) == (backbone.params, backbone.width)
            assert found["input"] == ["uint8", size, size, 3]


def test_what_passes_was_measured_and_what_fails_says_why() -> None:
    for name, found in FOUND.items():
        if found["outcome"] == "passes":
            assert max(found["parity"].values()) <= 1e-4, name
        else:
            assert found["outcome"] == "fails"
            assert found["why"], name
