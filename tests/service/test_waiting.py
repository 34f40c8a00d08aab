from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.requests import ClientDisconnect

from service.waiting import Promises, all_good, good
from zoo.errors import NotAnImage, ServerFailed


def here() -> bool:
    return False


def kept(promises: Promises[int], *work: object) -> None:
    """Keep each promise on a thread of its own."""
    for promise, one in zip(promises, work, strict=True):
        threading.Thread(target=promise.keep, args=(one,)).start()


def test_outcomes_come_in_their_order_errors_in_their_place() -> None:
    async def story() -> list[int | BaseException]:
        promises = Promises[int](3, here)
        kept(promises, lambda: 1, lambda: 1 // 0, lambda: 3)
        return await asyncio.wait_for(promises.outcomes(), 30)

    one, fault, three = asyncio.run(story())
    assert (one, three) == (1, 3)
    assert isinstance(fault, ZeroDivisionError)


def test_of_nothing_comes_nothing() -> None:
    async def story() -> list[int | BaseException]:
        return await asyncio.wait_for(Promises[int](0, here).outcomes(), 30)

    assert asyncio.run(story()) == []


def test_nothing_is_done_for_who_hung_up() -> None:
    async def story() -> None:
        done: list[int] = []
        promises = Promises[None](1, lambda: True)
        kept(promises, lambda: done.append(1))  # type: ignore[arg-type]
        (outcome,) = await asyncio.wait_for(promises.outcomes(), 30)
        assert isinstance(outcome, ClientDisconnect)
        assert not done

    asyncio.run(story())


def test_nothing_is_done_for_a_request_that_was_given_up() -> None:
    async def story() -> None:
        promises = Promises[int](1, here)
        (promise,) = promises
        waiting = asyncio.create_task(promises.outcomes())
        await asyncio.sleep(0)
        assert not promise.gone
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert promise.gone

    asyncio.run(story())


def test_a_promise_kept_after_the_loop_is_closed_is_no_failure() -> None:
    async def story() -> Promises[int]:
        return Promises[int](1, here)

    (promise,) = asyncio.run(story())
    promise.keep(lambda: 1)


def test_errors_that_nobody_raised_on_purpose_are_the_servers() -> None:
    with pytest.raises(ServerFailed, match="its log has the details") as failed:
        good(ZeroDivisionError("secret"))
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    with pytest.raises(NotAnImage, match=r"^image 2 of 2: no$"):
        all_good([1, NotAnImage("no")], "image")
    with pytest.raises(NotAnImage, match=r"^no$"):
        all_good([NotAnImage("no")], "image")
