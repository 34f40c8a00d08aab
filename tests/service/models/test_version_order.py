"""Leases in order: no older version of a model answers after a newer one."""

from __future__ import annotations

import asyncio

from service.models.registry import VersionOrder


def test_version_order_new_version_waits_for_older_answers() -> None:
    async def story() -> list[str]:
        order, told = VersionOrder(), []
        old_may_answer = asyncio.Event()

        async def old(number: int) -> None:
            order.begin_request("m", 1)
            await old_may_answer.wait()
            await asyncio.sleep(0.01 * number)
            told.append("old")
            order.end_request("m", 1)
            await order.wait_for_older_versions("m", 1)

        async def new(name: str, version: int) -> None:
            order.begin_request(name, version)
            order.end_request(name, version)
            await order.wait_for_older_versions(name, version)
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


def test_version_order_rollback_answers_at_once_and_never_waits() -> None:
    async def story() -> None:
        order = VersionOrder()
        order.begin_request("m", 2)
        order.begin_request("m", 1)
        older = asyncio.create_task(order.wait_for_older_versions("m", 1))
        newer = asyncio.create_task(order.wait_for_older_versions("m", 2))
        await asyncio.sleep(0)
        assert older.done(), "version 1 waits for version 2, which is newer"
        assert not newer.done(), "version 2 does not wait for version 1"
        order.end_request("m", 1)
        await asyncio.wait_for(newer, 5)

    asyncio.run(story())
