from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from service.workers import Workers
from zoo.errors import Overloaded


async def here() -> bool:
    return False


async def hung_up() -> bool:
    return True


def test_the_crowd_is_bounded_and_places_are_given_back() -> None:
    async def story() -> None:
        workers = Workers(1, max_waiting=2)
        for _ in range(2):
            with workers.admitted(3), pytest.raises(Overloaded, match="Try again"), workers.admitted(1):
                pass
            with pytest.raises(ZeroDivisionError), workers.admitted(3):
                raise ZeroDivisionError
        workers.close()

    asyncio.run(story())


def test_one_large_request_is_taken_by_an_idle_server() -> None:
    async def story() -> None:
        workers = Workers(1, max_waiting=0)
        with workers.admitted(10):
            pass
        workers.close()

    asyncio.run(story())


def test_nothing_is_done_for_who_hung_up() -> None:
    async def story() -> None:
        workers, done = Workers(1, max_waiting=1), []
        with pytest.raises(ClientDisconnect):
            await workers.run(lambda: done.append(1), hung_up)
        assert await workers.run(lambda: 7, here) == 7
        assert not done
        workers.close()

    asyncio.run(story())
