"""Progress for programs and for people: what is written on standard error."""

from __future__ import annotations

import json
import math
import threading

import pytest

from graft.progress import json_lines
from graft.progress.json_lines import JsonLinesProgress
from graft.progress.terminal import TerminalProgress, format_duration, format_metrics

EPOCH = {"epoch": 3, "of": 8, "loss": 0.41234, "val_loss": 0.392, "val_score": 0.98125, "rate": 1e-3, "seconds": 12.3}


def events(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    out, err = capsys.readouterr()
    assert out == ""
    return [
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) for line in err.splitlines()
    ]


def test_json_lines_bar_starts_advances_and_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "EVENT_INTERVAL_SECONDS", 0.0)
    with JsonLinesProgress().bar("reading", 4, "B") as bar:
        bar.advance()
        bar.advance(3)
    start, first, second, end = events(capsys)
    assert start == {"event": "start", "what": "reading", "total": 4, "unit": "B"}
    assert (first["event"], first["done"], first["total"]) == ("progress", 1, 4)
    assert first["seconds_left"] >= 0
    assert (second["done"], second["seconds_left"]) == (4, 0)
    assert end.pop("seconds") >= 0
    assert end == {"event": "end", "what": "reading", "done": 4, "total": 4, "whole": True}


def test_json_lines_are_throttled(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "EVENT_INTERVAL_SECONDS", 3600.0)
    with JsonLinesProgress().bar("reading", 10_000) as bar:
        for _ in range(10_000):
            bar.advance()
    assert [event["event"] for event in events(capsys)] == ["start", "end"]


def test_json_lines_unknown_total_is_null(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "EVENT_INTERVAL_SECONDS", 0.0)
    with JsonLinesProgress().bar("building", None) as bar:
        bar.advance()
    start, middle, end = events(capsys)
    assert (start["total"], middle["total"], middle["seconds_left"], end["total"]) == (None,) * 4


def test_json_lines_failed_bar_ends_incomplete(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="gone"), JsonLinesProgress().bar("reading", 4):
        raise OSError("gone")
    assert events(capsys)[-1]["whole"] is False


def test_json_lines_text_error_and_numbers_events(capsys: pytest.CaptureFixture[str]) -> None:
    lines = JsonLinesProgress()
    lines.log("two\nlines \udcff ü")
    lines.log_error("no")
    lines.log_metrics("epoch", EPOCH | {"loss": math.nan, "val_loss": math.inf})
    say, error, numbers = events(capsys)
    assert say == {"event": "say", "text": "two\nlines \udcff ü"}
    assert error == {"event": "error", "text": "no"}
    assert numbers == {"event": "numbers", "what": "epoch", **EPOCH, "loss": None, "val_loss": None}


def test_json_lines_from_many_threads_are_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "EVENT_INTERVAL_SECONDS", 0.0)
    with JsonLinesProgress().bar("reading", 400) as bar:
        threads = [threading.Thread(target=lambda: [bar.advance() for _ in range(100)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert events(capsys)[-1]["done"] == 400


def test_terminal_prints_one_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalProgress().log_metrics("epoch", EPOCH | {"seconds_left": 61.5})
    line = "epoch 3/8   loss 0.4123   validation loss 0.392   score 0.9812   rate 0.001   12 s   1 min 2 s left\n"
    assert capsys.readouterr() == ("", line)
    assert format_metrics("trial", {"trial": 2, "of": 9, "best_loss": 0.25}) == "trial 2/9   best loss 0.25"
    assert format_metrics("memory", {"free": 3.0}) == "memory   free 3"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.44, "0.4 s"), (12.4, "12 s"), (59.6, "1 min 0 s"), (80, "1 min 20 s"), (7500, "2 h 5 min")],
)
def test_terminal_duration_format(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected
