"""What the two clients share: where to ask, with which key, how often, for how long."""

from __future__ import annotations

import random
import time
from typing import Final

from graft.errors import GraftError, NotReady, Overloaded, Unreachable

DEFAULT_URL: Final = "http://127.0.0.1:8000"
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
