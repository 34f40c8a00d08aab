"""Futures of a request: order, errors, cancellation, a closed loop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.requests import ClientDisconnect

from graft.errors import NotAnImage, ServerFailed
from service.inference.worker_pool import FutureGroup, unwrap, unwrap_all


def here() -> bool:
    return False


def kept(promises: FutureGroup[int], *work: object) -> None:
    """Keep each promise on a thread of its own."""
    for promise, one in zip(promises, work, strict=True):
        threading.Thread(target=promise.complete_with, args=(one,)).start()


def test_futures_keep_their_order_and_errors() -> None:
    async def story() -> list[int | BaseException]:
        promises = FutureGroup[int](3, here)
        kept(promises, lambda: 1, lambda: 1 // 0, lambda: 3)
        return await asyncio.wait_for(promises.gather(), 30)

    one, fault, three = asyncio.run(story())
    assert (one, three) == (1, 3)
    assert isinstance(fault, ZeroDivisionError)


def test_futures_of_no_samples_are_done_at_once() -> None:
    async def story() -> list[int | BaseException]:
        return await asyncio.wait_for(FutureGroup[int](0, here).gather(), 30)

    assert asyncio.run(story()) == []


def test_future_of_a_disconnected_client_runs_nothing() -> None:
    async def story() -> None:
        done: list[int] = []
        promises = FutureGroup[None](1, lambda: True)
        kept(promises, lambda: done.append(1))  # type: ignore[arg-type]
        (outcome,) = await asyncio.wait_for(promises.gather(), 30)
        assert isinstance(outcome, ClientDisconnect)
        assert not done

    asyncio.run(story())


def test_futures_of_a_cancelled_request_are_dropped() -> None:
    async def story() -> None:
        promises = FutureGroup[int](1, here)
        (promise,) = promises
        waiting = asyncio.create_task(promises.gather())
        await asyncio.sleep(0)
        assert not promise.is_cancelled
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert promise.is_cancelled

    asyncio.run(story())


def test_future_set_after_the_loop_closed_does_not_raise() -> None:
    async def story() -> FutureGroup[int]:
        return FutureGroup[int](1, here)

    (promise,) = asyncio.run(story())
    calls: list[int] = []
    promise.complete_with(lambda: calls.append(1) or 1)  # nobody waits for the outcome any more
    assert calls == [1]


def test_unexpected_errors_become_server_failed() -> None:
    with pytest.raises(ServerFailed, match="its log has the details") as failed:
        unwrap(ZeroDivisionError("secret"))
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    with pytest.raises(NotAnImage, match=r"^image 2 of 2: no$"):
        unwrap_all([1, NotAnImage("no")], "image")
    with pytest.raises(NotAnImage, match=r"^no$"):
        unwrap_all([NotAnImage("no")], "image")
