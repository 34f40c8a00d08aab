"""Work for Keras that is asked for from outside: done by a child process, so that TensorFlow stays out of this one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

from zoo.build.child import report_in, run
from zoo.errors import GraftError, MissingExtra

ERROR: Final = "error.txt"


def do(task: str, wish: dict[str, Any], into: Path, *, needs: tuple[str, ...], failed: str = "") -> dict[str, Any]:
    """Let `zoo.build.errand` do a task into the folder `into`, and return the facts that it reports.

    `needs` are the packages that it imports; `failed` begins the message where it fails.

    Raises:
        MissingExtra: a package is not installed.
        GraftError: it failed, by the class of the child's own error.
    """
    check_installed(*needs, failed=failed)
    try:
        run("zoo.build.errand", [task, json.dumps(wish), str(into)], failed)
    except GraftError as error:
        if (into / ERROR).is_file():
            raise type(error)(f"{failed}{(into / ERROR).read_text('utf-8')}") from None
        raise
    return report_in(into)


def check_installed(*needs: str, failed: str = "") -> None:
    """Pass if these packages are installed; nothing is imported. `failed` begins the message.

    Raises:
        MissingExtra: one is not.
    """
    missing = [package for package in needs if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f'{failed}this needs {", ".join(missing)}, not installed here. Run: pip install "keras-graft[train]".'
        )
