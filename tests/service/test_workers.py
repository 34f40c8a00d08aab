from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import Future

import pytest

from service.workers import Workers, fail
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


def test_what_is_cancelled_is_never_begun_and_errors_arrive() -> None:
    workers, done = Workers(1, max_waiting=1), []
    go_on = threading.Event()
    first = workers.submit(lambda: go_on.wait(30))
    unwanted = workers.submit(lambda: done.append(1))
    broken = workers.submit(lambda: 1 // 0)
    assert unwanted.cancel()
    go_on.set()
    assert first.result(30)
    with pytest.raises(ZeroDivisionError):
        broken.result(30)
    assert workers.submit(lambda: 7).result(30) == 7
    assert not done
    workers.close()


def test_a_failure_that_nobody_waits_for_is_no_failure() -> None:
    promise: Future[int] = Future()
    promise.cancel()
    fail(promise, ZeroDivisionError())
    assert promise.cancelled()


def test_as_many_work_at_a_time_as_there_are_threads() -> None:
    workers = Workers(3, max_waiting=0)
    together = threading.Barrier(3, timeout=30)  # breaks unless three come
    arrived = [workers.submit(together.wait) for _ in range(3)]
    assert sorted(one.result(30) for one in arrived) == [0, 1, 2]
    workers.close()


def test_nothing_of_finished_work_stays_in_memory() -> None:
    class Large:
        pass

    workers, large = Workers(1, max_waiting=0), Large()
    ghost = weakref.ref(large)
    workers.submit(lambda large=large: None).result(30)
    workers.submit(lambda: None).result(30)
    del large
    gc.collect()
    assert ghost() is None
    workers.close()
