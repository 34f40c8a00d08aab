"""Entry point of conversion tasks: run one in this process, without network access where it opens an untrusted file.

python -m zoo.convert.process.sandbox TASK REQUEST INTO

REQUEST is a JSON object; results are written into the folder INTO, their facts into INTO/report.json. Started by
`zoo.convert.process.child_process.run_conversion_task`.

The network is blocked in two layers. The kernel's, where permitted: a network namespace of its own without any
interface, whatever the code in it does. And Python's, always: an audit hook, which cannot be removed, refuses
connections and child processes. The hook alone stops Python code, not a C library that makes system calls by itself.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
from pathlib import Path
from typing import Final

from graft.errors import GraftError
from zoo.convert.process.child_process import ERROR_FILE, exit_status_for

# Task -> function below zoo.convert: (request, folder) -> facts.
TASKS: Final = {
    "form": "keras_models.export_formats:write_keras_format",
    "head": "classifier_head:extract_classifier_head",
    "import": "keras_models.import_model:convert_user_model",
}
SANDBOXED_TASKS: Final = frozenset({"form", "import"})

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


def main() -> int:
    """Run the task and return the exit status; an error message is written into INTO/error.txt."""
    task, request, into = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
    module, _, function = TASKS[task].partition(":")
    try:
        if task in SANDBOXED_TASKS:  # before anything is imported that could open a connection
            request["alone"] = block_network()
        facts = getattr(importlib.import_module(f"zoo.convert.{module}"), function)(request, into)
    except GraftError as error:
        (into / ERROR_FILE).write_text(str(error), "utf-8")  # not on standard error, where TensorFlow talks too
        return exit_status_for(error)
    (into / "report.json").write_text(json.dumps(facts))
    return 0


def block_network() -> str:
    """Block network access of this process for good; return how: BLOCKED_BY_NAMESPACE or BLOCKED_BY_HOOK.

    Call it before threads are started: the kernel creates a user namespace only for a single-threaded process.
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
        raise PermissionError(f"{event} is refused: an imported model may not open a connection or start a process")


if __name__ == "__main__":
    sys.exit(main())
