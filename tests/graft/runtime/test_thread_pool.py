"""Work in a pool: in order, bounded, and dropped when nobody wants it any more."""

from __future__ import annotations

import threading

import pytest

from graft.runtime.thread_pool import batched, map_ordered, thread_pool


def test_map_ordered_keeps_order() -> None:
    first = threading.Event()

    def work(number: int) -> int:
        assert number or first.wait(30)
        first.set()
        return number

    with thread_pool(2) as pool:
        assert list(map_ordered(pool, work, range(50), 4)) == list(range(50))


def test_map_ordered_takes_only_a_bounded_number_ahead() -> None:
    taken = 0

    def things() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with thread_pool(2) as pool:
        answers = map_ordered(pool, str, things(), 6)
        assert [next(answers) for _ in range(10)] == [str(number) for number in range(1, 11)]
        assert taken <= 16


def test_map_ordered_error_drops_waiting_work() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), thread_pool(1) as pool:
        list(map_ordered(pool, work, range(1000), 10))
    assert len(begun) < 20


def test_batched_yields_every_item() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []
