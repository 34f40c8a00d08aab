"""Help pages are generated, up to date, and show an example of every command."""

from __future__ import annotations

import re

import pytest

from docs.make_help import COMMANDS, GUIDE, PAGE, guide, pages, text

ALL = [page for name, command in COMMANDS.items() for page in pages(name, command)]


def test_help_page_is_up_to_date() -> None:
    assert PAGE.read_text() == text(), "run: python docs/make_help.py"


def test_finetuning_guide_lists_every_option() -> None:
    assert GUIDE.read_text() == guide(), "run: python docs/make_help.py"


@pytest.mark.parametrize(("name", "said"), ALL, ids=[name for name, _ in ALL])
def test_every_command_help_has_an_example(name: str, said: str) -> None:
    assert re.search(rf"^\s+(\$ )?{name.split()[0]} ", said.split("Usage:")[1].split("\n", 1)[1], re.MULTILINE), said
    assert "--help" in said
