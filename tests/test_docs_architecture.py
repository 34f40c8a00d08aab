"""docs/architecture.md shows the real tree: every path exists, every folder has its row, the law is the tests'."""

from __future__ import annotations

import re

from tests.support.law_of_imports import OURS, PACKAGES
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs/architecture.md").read_text()


def test_architecture_page_names_only_what_exists() -> None:
    paths = set(re.findall(r"`((?:graft|zoo|finetune|service|tests|tools|benchmarks|docs)/[\w/.]*)`", PAGE))
    assert len(paths) > 60
    assert {path for path in paths if not (REPOSITORY / path).exists()} == set()


def test_architecture_page_has_a_row_for_every_folder() -> None:
    rows = set(re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.MULTILINE))
    folders = {
        path.parent.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
    }
    assert rows == folders - set(PACKAGES)


def test_architecture_page_has_the_law_of_imports() -> None:
    law = dict(re.findall(r"^\| `(\w+)` \| (nothing|(?:`\w+`(?:, )?)+) \|$", PAGE, re.MULTILINE))
    assert {package: set(re.findall(r"`(\w+)`", text)) for package, text in law.items()} == OURS
