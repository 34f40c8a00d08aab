"""Work for Keras that is asked for from outside: done by a child process, so that TensorFlow stays out of this one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

from zoo.build.child import pop_report, run_module
from zoo.errors import GraftError, MissingExtra

ERROR_FILE: Final = "error.txt"


def run_conversion_task(
    task: str, request: dict[str, Any], into: Path, *, packages: tuple[str, ...], error_prefix: str = ""
) -> dict[str, Any]:
    """Let `zoo.build.errand` do a task into the folder `into`, and return the facts that it reports.

    `packages` are the packages that it imports; `error_prefix` begins the message where it fails.

    Raises:
        MissingExtra: a package is not installed.
        GraftError: it failed, by the class of the child's own error.
    """
    require_train_packages(*packages, error_prefix=error_prefix)
    try:
        run_module("zoo.build.errand", [task, json.dumps(request), str(into)], error_prefix)
    except GraftError as error:
        if (into / ERROR_FILE).is_file():
            raise type(error)(f"{error_prefix}{(into / ERROR_FILE).read_text('utf-8')}") from None
        raise
    return pop_report(into)


def require_train_packages(*packages: str, error_prefix: str = "") -> None:
    """Pass if these packages are installed; nothing is imported. `error_prefix` begins the message.

    Raises:
        MissingExtra: one is not.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f'{error_prefix}this needs {", ".join(missing)}, not installed here. Run: pip install "keras-graft[train]".'
        )
