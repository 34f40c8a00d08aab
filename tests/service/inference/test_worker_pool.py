from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from queue import SimpleQueue

import pytest

from graft.errors import Overloaded
from service.inference.worker_pool import WorkerPool, create_background_executor


def test_admission_is_limited_and_slots_are_released() -> None:
    workers = WorkerPool(1, max_waiting=2)
    for _ in range(2):
        with workers.admission(3), pytest.raises(Overloaded, match="Try again"), workers.admission(1):
            pass
        with pytest.raises(ZeroDivisionError), workers.admission(3):
            raise ZeroDivisionError
    workers.close()


def test_admission_accepts_one_large_request_on_an_idle_server() -> None:
    workers = WorkerPool(1, max_waiting=0)
    with workers.admission(10):
        pass
    workers.close()


def test_worker_pool_runs_as_many_tasks_as_threads() -> None:
    workers = WorkerPool(3, max_waiting=0)
    together = threading.Barrier(3, timeout=30)  # breaks unless three come
    came: SimpleQueue[int] = SimpleQueue()
    for _ in range(3):
        workers.submit(lambda: came.put(together.wait()))
    assert sorted(came.get(timeout=30) for _ in range(3)) == [0, 1, 2]
    workers.close()


def test_worker_pool_keeps_no_reference_to_finished_work() -> None:
    class Large:
        pass

    workers, large = WorkerPool(1, max_waiting=0), Large()
    ghost = weakref.ref(large)
    over = threading.Event()
    workers.submit(lambda large=large: None)
    workers.submit(over.set)
    del large
    assert over.wait(30)
    gc.collect()
    assert ghost() is None
    workers.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_background_thread_has_lower_priority() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    with create_background_executor("behind") as thread:
        assert thread.submit(niceness).result(30) > before
    assert niceness() == before
