"""Progress for programs and for people: what is written on standard error."""

from __future__ import annotations

import json
import math
import threading

import pytest

from zoo import json_lines
from zoo.json_lines import Lines
from zoo.terminal import Terminal, duration, told

EPOCH = {"epoch": 3, "of": 8, "loss": 0.41234, "val_loss": 0.392, "val_score": 0.98125, "rate": 1e-3, "seconds": 12.3}


def events(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    out, err = capsys.readouterr()
    assert out == ""
    return [
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) for line in err.splitlines()
    ]


def test_a_bar_starts_moves_and_ends(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "EVERY", 0.0)
    with Lines().bar("reading", 4, "B") as bar:
        bar.advance()
        bar.advance(3)
    start, first, second, end = events(capsys)
    assert start == {"event": "start", "what": "reading", "total": 4, "unit": "B"}
    assert (first["event"], first["done"], first["total"]) == ("progress", 1, 4)
    assert first["seconds_left"] >= 0
    assert (second["done"], second["seconds_left"]) == (4, 0)
    assert end.pop("seconds") >= 0
    assert end == {"event": "end", "what": "reading", "done": 4, "total": 4, "whole": True}


def test_progress_is_told_seldom(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "EVERY", 3600.0)
    with Lines().bar("reading", 10_000) as bar:
        for _ in range(10_000):
            bar.advance()
    assert [one["event"] for one in events(capsys)] == ["start", "end"]


def test_an_unknown_total_is_null(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "EVERY", 0.0)
    with Lines().bar("building", None) as bar:
        bar.advance()
    start, middle, end = events(capsys)
    assert (start["total"], middle["total"], middle["seconds_left"], end["total"]) == (None,) * 4


def test_what_fails_ends_and_is_not_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="gone"), Lines().bar("reading", 4):
        raise OSError("gone")
    assert events(capsys)[-1]["whole"] is False


def test_texts_errors_and_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.say("two\nlines \udcff ü")
    lines.error("no")
    lines.numbers("epoch", EPOCH | {"loss": math.nan, "val_loss": math.inf})
    say, error, numbers = events(capsys)
    assert say == {"event": "say", "text": "two\nlines \udcff ü"}
    assert error == {"event": "error", "text": "no"}
    assert numbers == {"event": "numbers", "what": "epoch", **EPOCH, "loss": None, "val_loss": None}


def test_many_threads_write_whole_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "EVERY", 0.0)
    with Lines().bar("reading", 400) as bar:
        team = [threading.Thread(target=lambda: [bar.advance() for _ in range(100)]) for _ in range(4)]
        for one in team:
            one.start()
        for one in team:
            one.join()
    assert events(capsys)[-1]["done"] == 400


def test_people_read_a_line_for_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().numbers("epoch", EPOCH | {"seconds_left": 61.5})
    line = "epoch 3/8   loss 0.4123   validation loss 0.392   score 0.9812   rate 0.001   12 s   1 min 2 s left\n"
    assert capsys.readouterr() == ("", line)
    assert told("trial", {"trial": 2, "of": 9, "best_loss": 0.25}) == "trial 2/9   best loss 0.25"
    assert told("memory", {"free": 3.0}) == "memory   free 3"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.44, "0.4 s"), (12.4, "12 s"), (59.6, "1 min 0 s"), (80, "1 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said
