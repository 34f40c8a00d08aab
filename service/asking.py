"""What the two clients share: where to ask, with which key, how often, for how long."""

from __future__ import annotations

import os
import random
import time
from typing import Any, Final

from service.calls import RequestSpec
from service.packing import SampleKind
from zoo.errors import BadRequest, GraftError, NotReady, Overloaded, Unreachable

DEFAULT_URL: Final = "http://127.0.0.1:8000"
BACKOFF_SECONDS: Final = 0.1  # seconds before the second attempt; doubled each time, with jitter


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
