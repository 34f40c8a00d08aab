"""Work in a pool: in order, bounded, and dropped when nobody wants it any more."""

from __future__ import annotations

import threading

import pytest

from zoo.pool import crew, cut, done_by


def test_answers_come_in_order_whoever_is_first() -> None:
    first = threading.Event()

    def work(number: int) -> int:
        assert number or first.wait(30)
        first.set()
        return number

    with crew(2) as pool:
        assert list(done_by(pool, work, range(50), 4)) == list(range(50))


def test_no_more_is_taken_than_is_under_way() -> None:
    taken = 0

    def things() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with crew(2) as pool:
        answers = done_by(pool, str, things(), 6)
        assert [next(answers) for _ in range(10)] == [str(number) for number in range(1, 11)]
        assert taken <= 16


def test_an_error_ends_it_and_what_waits_is_dropped() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), crew(1) as pool:
        list(done_by(pool, work, range(1000), 10))
    assert len(begun) < 20


def test_what_is_cut_is_whole() -> None:
    assert list(cut(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(cut([], 3)) == []
