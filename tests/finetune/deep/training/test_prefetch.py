"""Prefetching batches on a worker thread: order, queue size, and errors."""

from __future__ import annotations

import threading

import pytest

from finetune.deep.training.prefetch import prefetch


def test_prefetch_keeps_order_and_its_limit_on_another_thread() -> None:
    prepared: list[int] = []

    def prepare(number: int) -> tuple[int, str]:
        prepared.append(number)
        return number, threading.current_thread().name

    indices = []
    for number, thread in prefetch(prepare, range(3, 12)):
        indices.append(number)
        assert thread != threading.current_thread().name
        assert max(prepared) <= number + 3
    assert indices == prepared == list(range(3, 12))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_prefetch_raises_worker_errors_in_order() -> None:
    numbers = prefetch(lambda number: 1 / (2 - number), range(5))
    assert [next(numbers), next(numbers)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(numbers)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
