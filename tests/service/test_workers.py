from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from queue import SimpleQueue

import pytest

from service.workers import Workers, background
from zoo.errors import Overloaded


def test_the_crowd_is_bounded_and_places_are_given_back() -> None:
    workers = Workers(1, max_waiting=2)
    for _ in range(2):
        with workers.admitted(3), pytest.raises(Overloaded, match="Try again"), workers.admitted(1):
            pass
        with pytest.raises(ZeroDivisionError), workers.admitted(3):
            raise ZeroDivisionError
    workers.close()


def test_one_large_request_is_taken_by_an_idle_server() -> None:
    workers = Workers(1, max_waiting=0)
    with workers.admitted(10):
        pass
    workers.close()


def test_as_many_work_at_a_time_as_there_are_threads() -> None:
    workers = Workers(3, max_waiting=0)
    together = threading.Barrier(3, timeout=30)  # breaks unless three come
    came: SimpleQueue[int] = SimpleQueue()
    for _ in range(3):
        workers.do(lambda: came.put(together.wait()))
    assert sorted(came.get(timeout=30) for _ in range(3)) == [0, 1, 2]
    workers.close()


def test_nothing_of_finished_work_stays_in_memory() -> None:
    class Large:
        pass

    workers, large = Workers(1, max_waiting=0), Large()
    ghost = weakref.ref(large)
    over = threading.Event()
    workers.do(lambda large=large: None)
    workers.do(over.set)
    del large
    assert over.wait(30)
    gc.collect()
    assert ghost() is None
    workers.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_background_work_yields_and_nothing_else_does() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    with background("behind") as thread:
        assert thread.submit(niceness).result(30) > before
    assert niceness() == before
