"""The Python client: `Client().predict("digits", "photo.jpg").label`, and `AsyncClient` for asyncio.

What the two clients share: where to ask, with which key, how often, for how long.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
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


class RetryPolicy:
    """The attempts at one call: a few, with pauses, all within one deadline."""

    def __init__(self, timeout: float, retries: int) -> None:
        """Allow `timeout` seconds and `retries` attempts after the first."""
        self._deadline, self._max_retries, self._attempt_count = time.monotonic() + timeout, retries, 0

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline."""
        return max(self._deadline - time.monotonic(), 0.001)

    def next_delay(self, error: GraftError, retry_after: str = "") -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            GraftError: `error` itself, where trying again would not help or there is no time left.
        """
        server_delay = float(retry_after) if retry_after.isdigit() else 0.0
        delay = max(server_delay, BACKOFF_SECONDS * (1 << self._attempt_count)) * random.uniform(1, 1.5)  # noqa: S311  # jitter, no secret
        self._attempt_count += 1
        if not isinstance(error, Overloaded | NotReady | Unreachable):
            raise error
        if self._attempt_count > self._max_retries or delay >= self.seconds_left:
            raise error
        return delay


_NO_PROXY: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # never through a proxy


S = TypeVar("S", bound=ClientSample)


T = TypeVar("T")


class ClientBase:
    """What both clients know: where to ask, with which key, for how long."""

    def __init__(self, url: str, api_key: str | None, timeout: float, retries: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadRequest(f"{url!r} is no address of a server. Write it like {DEFAULT_URL}.")
        self._url, self._timeout, self._retries = url.rstrip("/"), timeout, retries
        key = api_key or os.environ.get("GRAFT_API_KEY")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._sample_kinds: dict[str, SampleKind] = {}  # by model, as far as the server was asked

    def new_retry_policy(self) -> RetryPolicy:
        """Begin to count the attempts at one call."""
        return RetryPolicy(self._timeout, self._retries)

    def request_arguments(self, spec: RequestSpec[Any], seconds_left: float) -> dict[str, Any]:
        """Return the arguments of an httpx2 request that must be over in `seconds_left` seconds."""
        arguments = spec.httpx_arguments()
        headers = self._headers | arguments.pop("headers", {})
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds_left)
        return arguments | {"url": self._url + spec.path, "headers": headers, "extensions": {"timeout": timeout}}

    def unreachable_error(self, fault: Exception) -> Unreachable:
        """Return the error for a request that nobody answered."""
        return Unreachable(
            f"no answer from {self._url} ({str(fault) or type(fault).__name__}). "
            "Start a server with `serve`, or name another one (--url, Client(url))."
        )


class Client(ClientBase):
    """Asks a Graft server. Safe to share between threads; close it, or use it in a `with`.

    Every method raises what the server raised (`UnknownModel`, `NotAnImage`, …), and `Unreachable` where
    nobody answered. What did not get through, or was refused because too much was waiting, is tried
    again up to `retries` times, all within `timeout` seconds.
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
        """Ask the server at `url`; the key is `api_key`, else GRAFT_API_KEY. `http` carries the requests."""
        super().__init__(url, api_key, timeout, retries)
        self._http = http or httpx2.Client(mounts=dict.fromkeys(_NO_PROXY))

    @overload
    def predict(self, model: str, sample: ClientSample, *, top: int = 5, version: int | None = None) -> Answer: ...
    @overload
    def predict(self, model: str, sample: list[S], *, top: int = 5, version: int | None = None) -> list[Answer]: ...
    def predict(
        self, model: str, sample: ClientSample | list[Any], *, top: int = 5, version: int | None = None
    ) -> Answer | list[Answer]:
        """Ask what a model says of one sample, or of a list of them: the answers come in the same order.

        A `Prediction`, `Tags` or a `Value`, as the model's task is. A string is a path for a model that takes images,
        and the text itself for one that takes texts; a tuple of two strings is a pair of texts.
        """
        calls = build_predict_requests(model, self._pack(model, sample, version), top, version)
        answers = [one for call in calls for one in self._send(call)]
        return answers if isinstance(sample, list) else answers[0]

    def embed(self, model: str, sample: ClientSample | list[Any], *, version: int | None = None) -> NDArray[np.float32]:
        """Return the trunk's features of one sample, float32 [d], or of a list of n, float32 [n,d]."""
        answers = [
            self._send(spec) for spec in build_embed_requests(model, self._pack(model, sample, version), version)
        ]
        return concatenate_embeddings(answers) if isinstance(sample, list) else answers[0][0]

    def models(self) -> list[str]:
        """Return the names of the models that can be asked."""
        return self._send(build_models_request())

    def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return what a model says of itself: labels, signature, metrics, backbone and more."""
        return self._send(build_metadata_request(model, version))

    def sample_kind(self, model: str, *, version: int | None = None) -> SampleKind:
        """Return what a model takes: "image", "text" or "pair" (of texts). It is asked once for each model."""
        if model not in self._sample_kinds:
            self._sample_kinds[model] = self._send(build_sample_kind_request(model, version))
        return self._sample_kinds[model]

    def _pack(self, model: str, sample: ClientSample | list[Any], version: int | None) -> list[bytes]:
        samples = sample if isinstance(sample, list) else [sample]
        kind = self.sample_kind(model, version=version) if any(map(is_ambiguous, samples)) else None
        return pack_samples(samples, kind)

    def _send(self, spec: RequestSpec[T]) -> T:
        retry_policy = self.new_retry_policy()
        while True:
            try:
                response = self._http.request(**self.request_arguments(spec, retry_policy.seconds_left))
            except httpx2.TransportError as fault:
                delay = retry_policy.next_delay(self.unreachable_error(fault))
            else:
                if response.status_code == 200:
                    return spec.parse_response(response.content)
                error = error_from_response(response.status_code, response.content)
                delay = retry_policy.next_delay(error, response.headers.get("retry-after", ""))
            time.sleep(delay)

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
        """Ask the server at `url`, as `Client` does."""
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
        """Ask what a model says of one sample, or of a list of them; see `Client.predict`."""
        calls = build_predict_requests(model, await self._pack(model, sample, version), top, version)
        answers = [one for call in calls for one in await self._send(call)]
        return answers if isinstance(sample, list) else answers[0]

    async def embed(
        self, model: str, sample: ClientSample | list[Any], *, version: int | None = None
    ) -> NDArray[np.float32]:
        """Return the trunk's features of one sample, float32 [d], or of a list of n, float32 [n,d]."""
        samples = await self._pack(model, sample, version)
        answers = [await self._send(spec) for spec in build_embed_requests(model, samples, version)]
        return concatenate_embeddings(answers) if isinstance(sample, list) else answers[0][0]

    async def models(self) -> list[str]:
        """Return the names of the models that can be asked."""
        return await self._send(build_models_request())

    async def metadata(self, model: str, *, version: int | None = None) -> dict[str, Any]:
        """Return what a model says of itself: labels, signature, metrics, backbone and more."""
        return await self._send(build_metadata_request(model, version))

    async def sample_kind(self, model: str, *, version: int | None = None) -> SampleKind:
        """Return what a model takes: "image", "text" or "pair" (of texts). It is asked once for each model."""
        if model not in self._sample_kinds:
            self._sample_kinds[model] = await self._send(build_sample_kind_request(model, version))
        return self._sample_kinds[model]

    async def _pack(self, model: str, sample: ClientSample | list[Any], version: int | None) -> list[bytes]:
        samples = sample if isinstance(sample, list) else [sample]
        kind = await self.sample_kind(model, version=version) if any(map(is_ambiguous, samples)) else None
        return await asyncio.to_thread(pack_samples, samples, kind)

    async def _send(self, spec: RequestSpec[T]) -> T:
        retry_policy = self.new_retry_policy()
        while True:
            try:
                async with asyncio.timeout(retry_policy.seconds_left):
                    response = await self._http.request(**self.request_arguments(spec, retry_policy.seconds_left))
            except (httpx2.TransportError, TimeoutError) as fault:
                delay = retry_policy.next_delay(self.unreachable_error(fault))
            else:
                if response.status_code == 200:
                    return spec.parse_response(response.content)
                error = error_from_response(response.status_code, response.content)
                delay = retry_policy.next_delay(error, response.headers.get("retry-after", ""))
            await asyncio.sleep(delay)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
