"""Without a terminal a progress bar is one line on standard error."""

from __future__ import annotations

import pytest

from graft.progress.terminal import TerminalProgress


def test_terminal_bar_without_a_tty_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress().bar("fetching", 10, "B") as bar:
        bar.advance(10)
    assert capsys.readouterr() == ("", "fetching ...\n")
