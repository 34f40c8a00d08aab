"""What tests of commands share: the type of a fixture that runs one, and of its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class CommandResult(NamedTuple):
    """Exit status, standard output and standard error of a command."""

    code: int
    out: str
    err: str


RunCommand = Callable[..., CommandResult]
