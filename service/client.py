"""The Python client: `Client().predict("digits", "photo.jpg").label`, and `AsyncClient` for asyncio."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, Self, TypeVar, overload

import httpx2
import numpy as np
from numpy.typing import NDArray

from service.asking import URL, Asker
from service.calls import Answer, Call, embed_calls, metadata_call, models_call, predict_calls, stacked, takes_call
from service.errors import from_wire
from service.packing import Sample, Takes, is_unclear, pack_all

_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # never through a proxy
S = TypeVar("S", bound=Sample)
T = TypeVar("T")


class Client(Asker):
    """Asks a Graft server. Safe to share between threads; close it, or use it in a `with`.

    Every method raises what the server raised (`UnknownModel`, `NotAnImage`, …), and `Unreachable` where
    nobody answered. What did not get through, or was refused because too much was waiting, is tried
    again up to `retries` times, all within `timeout` seconds.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        http: httpx2.Client | None = None,
    ) -> None:
        """Ask the server at `url`; the key is `api_key`, else GRAFT_API_KEY. `http` carries the requests."""
        super().__init__(url, api_key, timeout, retries)
        self._http = http or httpx2.Client(mounts=dict.fromkeys(_LOOPBACK))

    @overload
    def predict(self, model: str, sample: Sample, *, top: int = 5, version: int | None = None) -> Answer: ...
    @overload
    def predict(self, model: str, sample: list[S], *, top: int = 5, version: int | None = None) -> list[Answer]: ...
    def predict(
        self, model: str, sample: Sample | list[Any], *, top: int = 5, version: int | None = None
    ) -> Answer | list[Answer]:
        """Ask what a model says of one sample, or of a list of them: the answers come in the same order.

        A `Prediction`, `Tags` or a `Value`, as the model's task is. A string is a path for a model that takes images,
        and the text itself for one that takes texts; a tuple of two strings is a pair of texts.
        """
        calls = predict_calls(model, self._packed(model, sample, version), top, version)
        answers = [one for call in calls for one in self._ask(call)]
        return answers if isinstance(sample, list) else answers[0]

    def embed(self, model: str, sample: Sample | list[Any], *, version: int | None = None) -> NDArray[np.float32]:
        """Return the trunk's features of one sample, float32 [d], or of a list of n, float32 [n,d]."""
        answers = [self._ask(call) for call in embed_calls(model, self._packed(model, sample, version), version)]
        return stacked(answers) if isinstance(sample, list) else answers[0][0]

    def models(self) -> list[str]:
        """Return the names of the models that can be asked."""
        return self._ask(models_call())

    def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return what a model says of itself: labels, signature, metrics, backbone and more."""
        return self._ask(metadata_call(model, version))

    def takes(self, model: str, *, version: int | None = None) -> Takes:
        """Return what a model takes: "image", "text" or "pair" (of texts). It is asked once for each model."""
        if model not in self._takes:
            self._takes[model] = self._ask(takes_call(model, version))
        return self._takes[model]

    def _packed(self, model: str, given: Sample | list[Any], version: int | None) -> list[bytes]:
        samples = given if isinstance(given, list) else [given]
        takes = self.takes(model, version=version) if any(map(is_unclear, samples)) else None
        return pack_all(samples, takes)

    def _ask(self, call: Call[T]) -> T:
        attempts = self.attempts()
        while True:
            try:
                response = self._http.request(**self.request(call, attempts.left))
            except httpx2.TransportError as fault:
                pause = attempts.pause(self.unreachable(fault))
            else:
                if response.status_code == 200:
                    return call.answer(response.content)
                error = from_wire(response.status_code, response.content)
                pause = attempts.pause(error, response.headers.get("retry-after", ""))
            time.sleep(pause)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(Asker):
    """`Client` for asyncio: the same methods and errors, awaited."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """Ask the server at `url`, as `Client` does."""
        super().__init__(url, api_key, timeout, retries)
        self._http = http or httpx2.AsyncClient(mounts=dict.fromkeys(_LOOPBACK))

    @overload
    async def predict(self, model: str, sample: Sample, *, top: int = 5, version: int | None = None) -> Answer: ...
    @overload
    async def predict(
        self, model: str, sample: list[S], *, top: int = 5, version: int | None = None
    ) -> list[Answer]: ...
    async def predict(
        self, model: str, sample: Sample | list[Any], *, top: int = 5, version: int | None = None
    ) -> Answer | list[Answer]:
        """Ask what a model says of one sample, or of a list of them; see `Client.predict`."""
        calls = predict_calls(model, await self._packed(model, sample, version), top, version)
        answers = [one for call in calls for one in await self._ask(call)]
        return answers if isinstance(sample, list) else answers[0]

    async def embed(self, model: str, sample: Sample | list[Any], *, version: int | None = None) -> NDArray[np.float32]:
        """Return the trunk's features of one sample, float32 [d], or of a list of n, float32 [n,d]."""
        samples = await self._packed(model, sample, version)
        answers = [await self._ask(call) for call in embed_calls(model, samples, version)]
        return stacked(answers) if isinstance(sample, list) else answers[0][0]

    async def models(self) -> list[str]:
        """Return the names of the models that can be asked."""
        return await self._ask(models_call())

    async def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return what a model says of itself: labels, signature, metrics, backbone and more."""
        return await self._ask(metadata_call(model, version))

    async def takes(self, model: str, *, version: int | None = None) -> Takes:
        """Return what a model takes: "image", "text" or "pair" (of texts). It is asked once for each model."""
        if model not in self._takes:
            self._takes[model] = await self._ask(takes_call(model, version))
        return self._takes[model]

    async def _packed(self, model: str, given: Sample | list[Any], version: int | None) -> list[bytes]:
        samples = given if isinstance(given, list) else [given]
        takes = await self.takes(model, version=version) if any(map(is_unclear, samples)) else None
        return await asyncio.to_thread(pack_all, samples, takes)

    async def _ask(self, call: Call[T]) -> T:
        attempts = self.attempts()
        while True:
            try:
                async with asyncio.timeout(attempts.left):
                    response = await self._http.request(**self.request(call, attempts.left))
            except (httpx2.TransportError, TimeoutError) as fault:
                pause = attempts.pause(self.unreachable(fault))
            else:
                if response.status_code == 200:
                    return call.answer(response.content)
                error = from_wire(response.status_code, response.content)
                pause = attempts.pause(error, response.headers.get("retry-after", ""))
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
