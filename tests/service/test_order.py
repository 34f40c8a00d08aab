from __future__ import annotations

import asyncio

from service.order import Order


def test_a_newer_version_waits_for_the_answers_of_older_ones() -> None:
    async def story() -> list[str]:
        order, told = Order(), []
        old_may_answer = asyncio.Event()

        async def old(number: int) -> None:
            order.enter("m", 1)
            await old_may_answer.wait()
            await asyncio.sleep(0.01 * number)
            told.append("old")
            order.leave("m", 1)
            await order.turn("m", 1)

        async def new(name: str, version: int) -> None:
            order.enter(name, version)
            order.leave(name, version)
            await order.turn(name, version)
            told.append(f"{name} {version}")

        tasks = [asyncio.create_task(one) for one in (old(0), old(1), old(2))]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(one) for one in (new("m", 2), new("m", 3), new("other", 9))]
        await asyncio.sleep(0.01)
        assert told == ["other 9"]
        old_may_answer.set()
        await asyncio.gather(*tasks)
        return told

    assert asyncio.run(story()) == ["other 9", "old", "old", "old", "m 2", "m 3"]


def test_after_a_step_back_the_older_version_answers_at_once() -> None:
    async def story() -> None:
        order = Order()
        order.enter("m", 2)
        order.enter("m", 1)
        await asyncio.wait_for(order.turn("m", 1), 5)

    asyncio.run(story())
