"""Worker threads: parallel, without references to finished jobs; a background thread of low priority."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from queue import SimpleQueue

import pytest

from service.inference.worker_pool import WorkerPool, create_background_executor


def test_worker_pool_runs_as_many_tasks_as_threads() -> None:
    workers = WorkerPool(3)
    together = threading.Barrier(3, timeout=30)  # breaks unless three come
    came: SimpleQueue[int] = SimpleQueue()
    for _ in range(3):
        workers.submit(lambda: came.put(together.wait()))
    assert sorted(came.get(timeout=30) for _ in range(3)) == [0, 1, 2]
    workers.close()


def test_worker_pool_keeps_no_reference_to_finished_work() -> None:
    class Large:
        pass

    workers, large = WorkerPool(1), Large()
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
