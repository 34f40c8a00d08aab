"""What the two clients share: where to ask, with which key, how often, for how long."""

from __future__ import annotations

import os
import random
import time
from typing import Any, Final

from service.calls import Call
from service.packing import Takes
from zoo.errors import BadRequest, GraftError, NotReady, Overloaded, Unreachable

URL: Final = "http://127.0.0.1:8000"
BACKOFF: Final = 0.1  # seconds before the second attempt; doubled each time, with jitter


class Asker:
    """What both clients know: where to ask, with which key, for how long."""

    def __init__(self, url: str, api_key: str | None, timeout: float, retries: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadRequest(f"{url!r} is no address of a server. Write it like {URL}.")
        self._url, self._timeout, self._retries = url.rstrip("/"), timeout, retries
        key = api_key or os.environ.get("GRAFT_API_KEY")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._takes: dict[str, Takes] = {}  # by model, as far as the server was asked

    def attempts(self) -> Attempts:
        """Begin to count the attempts at one call."""
        return Attempts(self._timeout, self._retries)

    def request(self, call: Call[Any], left: float) -> dict[str, Any]:
        """Return the arguments of an httpx2 request that must be over in `left` seconds."""
        asked = call.request()
        headers = self._headers | asked.pop("headers", {})
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), left)
        return asked | {"url": self._url + call.path, "headers": headers, "extensions": {"timeout": timeout}}

    def unreachable(self, fault: Exception) -> Unreachable:
        """Return the error for a request that nobody answered."""
        return Unreachable(
            f"no answer from {self._url} ({str(fault) or type(fault).__name__}). "
            "Start a server with `serve`, or name another one (--url, Client(url))."
        )


class Attempts:
    """The attempts at one call: a few, with pauses, all within one deadline."""

    def __init__(self, timeout: float, retries: int) -> None:
        """Allow `timeout` seconds and `retries` attempts after the first."""
        self._deadline, self._retries, self._made = time.monotonic() + timeout, retries, 0

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(self._deadline - time.monotonic(), 0.001)

    def pause(self, error: GraftError, retry_after: str = "") -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            GraftError: `error` itself, where trying again would not help or there is no time left.
        """
        wanted = float(retry_after) if retry_after.isdigit() else 0.0
        pause = max(wanted, BACKOFF * (1 << self._made)) * random.uniform(1, 1.5)  # noqa: S311  # jitter, no secret
        self._made += 1
        if not isinstance(error, Overloaded | NotReady | Unreachable):
            raise error
        if self._made > self._retries or pause >= self.left:
            raise error
        return pause
