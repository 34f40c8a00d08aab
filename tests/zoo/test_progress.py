"""Where nobody can see a bar move, one line tells what is under way; always on standard error."""

from __future__ import annotations

import pytest

from zoo.terminal import Terminal


def test_without_a_terminal_a_bar_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal().bar("fetching", 10, "B") as bar:
        bar.advance(10)
    assert capsys.readouterr() == ("", "fetching ...\n")
