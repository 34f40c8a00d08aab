"""Leases: a request gets the newest version, or the one that it names, and is counted while it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graft.errors import UnknownModel, UnknownVersion
from service.models.engine import OnnxEngine
from service.models.registry import ModelRegistry
from tests.support.fakes import tiny_bundle


def test_lease_gives_the_newest_version_and_counts_the_request(models: Path) -> None:
    tiny_bundle(models, seed=1)
    registry = ModelRegistry(models, OnnxEngine(), 2)
    registry.refresh()

    async def story() -> None:
        async with registry.lease("tiny") as model:
            assert model is registry.get("tiny", "2")
            assert registry.version_order.running_requests == 1
        assert registry.version_order.running_requests == 0
        with pytest.raises(ZeroDivisionError):
            async with registry.lease("tiny"):
                raise ZeroDivisionError
        assert registry.version_order.running_requests == 0

    asyncio.run(story())


def test_lease_of_a_named_version_waits_for_no_other(models: Path) -> None:
    tiny_bundle(models, seed=1)
    registry = ModelRegistry(models, OnnxEngine(), 2)
    registry.refresh()

    async def story() -> None:
        async with registry.lease("tiny"), registry.lease("tiny", "1") as older:
            assert older.version == 1

    asyncio.run(asyncio.wait_for(story(), 10))


def test_lease_of_an_unknown_model_or_version_is_refused(models: Path) -> None:
    registry = ModelRegistry(models, OnnxEngine(), 2)
    registry.refresh()
    with pytest.raises(UnknownModel, match="There are: tiny"):
        registry.lease("nobody")
    with pytest.raises(UnknownVersion, match="Served are 1"):
        registry.lease("tiny", "7")
