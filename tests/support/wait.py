"""Wait for another thread or process in a test."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(
    condition: Callable[[], bool], seconds: float = 30, forgive: tuple[type[Exception], ...] = (), pause: float = 0.01
) -> None:
    """Poll `condition` every `pause` seconds until it is true; exceptions in `forgive` count as false.

    Raises:
        AssertionError: it is still false after `seconds`.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except forgive:
            pass
        assert time.monotonic() < end, f"the condition did not become true within {seconds:g} s"
        time.sleep(pause)
