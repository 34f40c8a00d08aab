"""Serving: bundle -> answers over HTTP, and the Python client."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.answers import Candidate, Prediction, Tags, Value
    from service.client.client import AsyncClient, Client


__all__ = ["AsyncClient", "Candidate", "Client", "Prediction", "Tags", "Value"]


def __getattr__(name: str) -> object:
    # The commands are in this package too: `predict --help` must not wait for numpy and an HTTP client.
    if name in __all__:
        return getattr(import_module("service.client.client" if name.endswith("Client") else "service.answers"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
