from __future__ import annotations

import time
from collections.abc import Callable

from graft.errors import NotReady, Unreachable


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.01)


def wait_for(condition) -> None:
    for _ in range(300):
        try:
            if condition():
                return
        except (Unreachable, NotReady):
            pass
        time.sleep(0.1)
    raise AssertionError("it did not happen in 30 s")
