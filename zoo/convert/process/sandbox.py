"""A process that gives up the network before it opens what a stranger made.

Two walls. The kernel's, where it lets us: a network namespace of our own, in which there is no interface, whatever the
code in it does. And Python's, always: an audit hook, which cannot be taken off again, refuses connections and child
processes. The hook alone stops Python code, not a library in C that makes system calls by itself.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_CLONE_NEWUSER: Final = 0x10000000  # CLONE_NEWUSER, linux/sched.h
_CLONE_NEWNET: Final = 0x40000000  # CLONE_NEWNET
_BLOCKED_EVENTS: Final = frozenset((
    "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname",
    "socket.getnameinfo", "socket.sendmsg", "socket.sendto",
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "pty.spawn",
    "subprocess.Popen",
))  # fmt: skip

BLOCKED_BY_NAMESPACE: Final = "a network namespace of its own, and an audit hook"
BLOCKED_BY_HOOK: Final = "an audit hook alone; the kernel gave no network namespace"


def block_network() -> str:
    """Give up the network for good, and say by which walls: NAMESPACE or HOOK.

    Call it before threads are started: the kernel gives a new user namespace to none that has any.
    """
    method = BLOCKED_BY_NAMESPACE if _unshare_network() else BLOCKED_BY_HOOK
    sys.addaudithook(_block_event)
    return method


def _unshare_network() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    return bool(unshare(_CLONE_NEWNET) == 0 or unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)


def _block_event(event: str, _: tuple[object, ...]) -> None:
    if event in _BLOCKED_EVENTS:
        raise PermissionError(f"{event} is refused: a model that is imported may open no connection and no process")
