"""The Python client: `Client().predict("digits", "photo.jpg").label`, and `AsyncClient` for asyncio.

`ClientBase` has the logic of both, without I/O: packing, requests, retries, deadlines, errors. Each of its operations
is a generator that yields steps and gets their results; `Client` and `AsyncClient` carry the steps out.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, overload

import httpx2
import numpy as np
from numpy.typing import NDArray

from graft.bundle.manifest import SampleKind
from graft.errors import BadRequest, GraftError, NotReady, Overloaded, Unreachable
from service.answers import Answer
from service.client.requests import (
    DEFAULT_URL,
    ClientSample,
    RequestSpec,
    build_embed_requests,
    build_metadata_request,
    build_models_request,
    build_predict_requests,
    build_sample_kind_request,
    concatenate_embeddings,
    is_ambiguous,
    pack_samples,
)
from service.http_errors import error_from_response

BACKOFF_SECONDS: Final = 0.1  # seconds before the second attempt; doubled each time, with jitter
_NO_PROXY: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # never through a proxy

S = TypeVar("S", bound=ClientSample)
T = TypeVar("T")


class RetryPolicy:
    """The attempts at one request: retries with exponential backoff and jitter, all within one deadline."""

    def __init__(self, timeout: float, retries: int) -> None:
        """Allow `timeout` seconds in all, and `retries` attempts after the first."""
        self._deadline, self._max_retries, self._attempt_count = time.monotonic() + timeout, retries, 0

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; never 0, which httpx2 would take for "no timeout"."""
        return max(self._deadline - time.monotonic(), 0.001)

    def next_delay(self, error: GraftError, retry_after: str = "") -> float:
        """Return how many seconds to wait before the next attempt; at least what the header Retry-After says.

        Raises:
            GraftError: `error` itself, if another attempt cannot help or none is left before the deadline.
        """
        server_delay = float(retry_after) if retry_after.isdigit() else 0.0
        delay = max(server_delay, BACKOFF_SECONDS * (1 << self._attempt_count)) * random.uniform(1, 1.5)  # noqa: S311  # jitter, no secret
        self._attempt_count += 1
        if not isinstance(error, Overloaded | NotReady | Unreachable):
            raise error
        if self._attempt_count > self._max_retries or delay >= self.seconds_left:
            raise error
        return delay


@dataclass(frozen=True, slots=True)
class SendStep:
    """Send one HTTP request within `seconds`; the result is an `httpx2.Response`, or the error of the connection."""

    arguments: dict[str, Any]  # of httpx2's `request`
    seconds: float


@dataclass(frozen=True, slots=True)
class SleepStep:
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class BlockingStep:
    """Call a function that reads files or compresses: an event loop must not wait for it."""

    function: Callable[[], Any]


Operation = Generator[SendStep | SleepStep | BlockingStep, Any, T]  # yields steps, gets their results, returns T


class ClientBase:
    """What both clients do, without I/O."""

    def __init__(self, url: str, api_key: str | None, timeout: float, retries: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadRequest(f"{url!r} is not the address of a server. Write it like {DEFAULT_URL}.")
        self._url, self._timeout, self._retries = url.rstrip("/"), timeout, retries
        key = api_key or os.environ.get("GRAFT_API_KEY")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._sample_kinds: dict[str, SampleKind] = {}  # by model, as far as the server was asked

    def _predict(
        self, model: str, sample: ClientSample | list[Any], top: int, version: int | None
    ) -> Operation[Answer | list[Answer]]:
        samples = yield from self._pack(model, sample, version)
        answers: list[Answer] = []
        for spec in build_predict_requests(model, samples, top, version):
            answers += yield from self._request(spec)
        return answers if isinstance(sample, list) else answers[0]

    def _embed(
        self, model: str, sample: ClientSample | list[Any], version: int | None
    ) -> Operation[NDArray[np.float32]]:
        samples = yield from self._pack(model, sample, version)
        features: list[NDArray[np.float32]] = []
        for spec in build_embed_requests(model, samples, version):
            features.append((yield from self._request(spec)))  # noqa: PERF401  # a comprehension cannot yield
        return concatenate_embeddings(features) if isinstance(sample, list) else features[0][0]

    def _sample_kind(self, model: str, version: int | None) -> Operation[SampleKind]:
        if model not in self._sample_kinds:
            self._sample_kinds[model] = yield from self._request(build_sample_kind_request(model, version))
        return self._sample_kinds[model]

    def _pack(self, model: str, sample: ClientSample | list[Any], version: int | None) -> Operation[list[bytes]]:
        samples = sample if isinstance(sample, list) else [sample]
        kind = (yield from self._sample_kind(model, version)) if any(map(is_ambiguous, samples)) else None
        packed: list[bytes] = yield BlockingStep(lambda: pack_samples(samples, kind))
        return packed

    def _request(self, spec: RequestSpec[T]) -> Operation[T]:
        """Send a request, again if that may help, and parse the response."""
        policy = RetryPolicy(self._timeout, self._retries)
        while True:
            result = yield SendStep(self._http_arguments(spec, policy.seconds_left), policy.seconds_left)
            if isinstance(result, Exception):
                yield SleepStep(policy.next_delay(self._unreachable_error(result)))
            elif result.status_code == 200:
                return spec.parse_response(result.content)
            else:
                error = error_from_response(result.status_code, result.content)
                yield SleepStep(policy.next_delay(error, result.headers.get("retry-after", "")))

    def _http_arguments(self, spec: RequestSpec[Any], seconds_left: float) -> dict[str, Any]:
        arguments = spec.httpx_arguments()
        headers = self._headers | arguments.pop("headers", {})
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds_left)
        return arguments | {"url": self._url + spec.path, "headers": headers, "extensions": {"timeout": timeout}}

    def _unreachable_error(self, fault: Exception) -> Unreachable:
        return Unreachable(
            f"no answer from {self._url} ({str(fault) or type(fault).__name__}). "
            "Start a server with `serve`, or name another one (--url, Client(url))."
        )


class Client(ClientBase):
    """Client of a Graft server. Thread-safe; close it, or use it in a `with`.

    Every method raises the error that the server raised (`UnknownModel`, `NotAnImage`, …), and `Unreachable` if there
    was no answer. A request that failed to connect, or was refused because the server is overloaded or not ready, is
    sent again up to `retries` times, all within `timeout` seconds.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        http: httpx2.Client | None = None,
    ) -> None:
        """Use the server at `url` with `api_key`, else GRAFT_API_KEY; `http` sends the requests."""
        super().__init__(url, api_key, timeout, retries)
        self._http = http or httpx2.Client(mounts=dict.fromkeys(_NO_PROXY))

    @overload
    def predict(self, model: str, sample: ClientSample, *, top: int = 5, version: int | None = None) -> Answer: ...
    @overload
    def predict(self, model: str, sample: list[S], *, top: int = 5, version: int | None = None) -> list[Answer]: ...
    def predict(
        self, model: str, sample: ClientSample | list[Any], *, top: int = 5, version: int | None = None
    ) -> Answer | list[Answer]:
        """Predict one sample, or a list of samples: the answers are in the same order.

        An answer is a `Prediction` with the `top` most probable labels, `Tags` or a `Value`, by the model's task. A
        string is a path for a model that takes images, and the text itself for one that takes texts; a tuple of two
        strings is a pair of texts. Without `version` the newest version answers.
        """
        return self._run(self._predict(model, sample, top, version))

    def embed(self, model: str, sample: ClientSample | list[Any], *, version: int | None = None) -> NDArray[np.float32]:
        """Return the trunk's features of one sample, float32 [d], or of a list of n samples, float32 [n,d]."""
        return self._run(self._embed(model, sample, version))

    def models(self) -> list[str]:
        """Return the names of the models that are served."""
        return self._run(self._request(build_models_request()))

    def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return a model's metadata: task, labels, signature, metrics, backbone and more."""
        return self._run(self._request(build_metadata_request(model, version)))

    def sample_kind(self, model: str, *, version: int | None = None) -> SampleKind:
        """Return what a model takes: "image", "text" or "pair" (of texts). The server is asked once for each model."""
        return self._run(self._sample_kind(model, version))

    def _run(self, operation: Operation[T]) -> T:
        """Carry out the steps of an operation and return its result."""
        result: object = None
        while True:
            try:
                step = operation.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            match step:
                case SendStep():
                    result = self._send(step)
                case SleepStep(seconds):
                    time.sleep(seconds)
                case BlockingStep(function):
                    result = function()

    def _send(self, step: SendStep) -> httpx2.Response | Exception:
        try:
            return self._http.request(**step.arguments)
        except httpx2.TransportError as fault:
            return fault

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(ClientBase):
    """`Client` for asyncio: the same methods and errors, awaited."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """Use the server at `url`, as `Client` does."""
        super().__init__(url, api_key, timeout, retries)
        self._http = http or httpx2.AsyncClient(mounts=dict.fromkeys(_NO_PROXY))

    @overload
    async def predict(
        self, model: str, sample: ClientSample, *, top: int = 5, version: int | None = None
    ) -> Answer: ...
    @overload
    async def predict(
        self, model: str, sample: list[S], *, top: int = 5, version: int | None = None
    ) -> list[Answer]: ...
    async def predict(
        self, model: str, sample: ClientSample | list[Any], *, top: int = 5, version: int | None = None
    ) -> Answer | list[Answer]:
        """Predict one sample, or a list of samples; see `Client.predict`."""
        return await self._run(self._predict(model, sample, top, version))

    async def embed(
        self, model: str, sample: ClientSample | list[Any], *, version: int | None = None
    ) -> NDArray[np.float32]:
        """Return the trunk's features of one sample, float32 [d], or of a list of n samples, float32 [n,d]."""
        return await self._run(self._embed(model, sample, version))

    async def models(self) -> list[str]:
        """Return the names of the models that are served."""
        return await self._run(self._request(build_models_request()))

    async def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return a model's metadata: task, labels, signature, metrics, backbone and more."""
        return await self._run(self._request(build_metadata_request(model, version)))

    async def sample_kind(self, model: str, *, version: int | None = None) -> SampleKind:
        """Return what a model takes: "image", "text" or "pair" (of texts). The server is asked once for each model."""
        return await self._run(self._sample_kind(model, version))

    async def _run(self, operation: Operation[T]) -> T:
        """Carry out the steps of an operation and return its result."""
        result: object = None
        while True:
            try:
                step = operation.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            match step:
                case SendStep():
                    result = await self._send(step)
                case SleepStep(seconds):
                    await asyncio.sleep(seconds)
                case BlockingStep(function):
                    result = await asyncio.to_thread(function)

    async def _send(self, step: SendStep) -> httpx2.Response | Exception:
        try:
            async with asyncio.timeout(step.seconds):
                return await self._http.request(**step.arguments)
        except (httpx2.TransportError, TimeoutError) as fault:
            return fault

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
