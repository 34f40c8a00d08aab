"""Run builds and conversion tasks in a child process: TensorFlow's memory and log output stay out of this one.

The child reports facts in report.json. An error comes back as the exit status of its class, with the message on
standard error (`python -m zoo.convert`) or in error.txt (`python -m zoo.convert.process.sandbox`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from graft.errors import (
    BundleUnsupported,
    GraftError,
    MissingExtra,
    ParityError,
    RecipeError,
    ReplayFailed,
    TrunkError,
    WeightsError,
)
from zoo.catalog.backbone import Backbone, ImageSpec, Precision, TextSpec

_BUILD_PACKAGES: Final = {
    (ImageSpec, Precision.FP32): ("tensorflow", "keras_cv", "keras_hub", "tf2onnx", "onnx", "onnxruntime", "sklearn"),
    (ImageSpec, Precision.INT8): ("onnx", "onnxruntime", "sklearn"),
    (TextSpec, Precision.FP32): ("tensorflow", "keras_hub", "onnx", "onnxruntime", "tokenizers"),
    (TextSpec, Precision.INT8): ("onnx",),
}

# On the CPU only: the same bytes on every machine, and no GPU memory is allocated.
QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}

# Error class -> exit status of the child.
_EXIT_STATUSES: Final[dict[type[GraftError], int]] = {
    TrunkError: 10,
    ParityError: 11,
    WeightsError: 12,
    MissingExtra: 13,
    ReplayFailed: 14,
    BundleUnsupported: 15,
    RecipeError: 16,
}
ERROR_FILE: Final = "error.txt"
TOKENIZER_FILE: Final = "tokenizer.json"


def require_build_packages(backbone: Backbone, precision: Precision) -> None:
    """Raise MissingExtra unless all packages that a build needs are installed."""
    needed = _BUILD_PACKAGES[type(backbone.takes), precision]
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f"building a trunk in {precision} needs {', '.join(missing)}, not installed here. "
            'Run: pip install "keras-graft[train]"; or copy the cache (GRAFT_CACHE) of a machine that has built it.'
        )


def build_trunk_in_child(backbone: Backbone, precision: Precision, source: Path | None, into: Path) -> dict[str, Any]:
    """Build `into`/trunk.onnx by `python -m zoo.convert`; return the facts that it reports, with `build_seconds`.

    `source` is the weights file, or the fp32 trunk for int8; None: an image network with random weights.

    Raises:
        TrunkError: the build failed; the message has the child's last lines. ParityError, WeightsError or
            MissingExtra if the child ended with one of those.
    """
    source_arguments = [] if source is None else ["--source", str(source)]
    arguments = [backbone.name, "--precision", str(precision), *source_arguments, "--into", str(into)]
    start = time.monotonic()
    run_module("zoo.convert", arguments, f"the trunk of {backbone.name} in {precision} could not be built: ")
    return pop_report(into) | {"build_seconds": round(time.monotonic() - start, 1)}


def run_module(module: str, arguments: list[str], error_prefix: str) -> None:
    """Run `python -m module *arguments` in a child process.

    Raises:
        GraftError: it failed; the exit status gives the class, `error_prefix` and the child's last lines the message.
    """
    process = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],  # -P: not a folder `zoo` in the current directory
        env=os.environ | QUIET,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise error_class_for(process.returncode)(f"{error_prefix}{_failure_message(process)}")


def _failure_message(process: subprocess.CompletedProcess[str]) -> str:
    if process.returncode == -signal.SIGKILL:
        return "the system killed it, probably out of memory. Close other programs, or use a larger machine."
    return "\n".join(process.stderr.strip().splitlines()[-4:]) or f"exit status {process.returncode}, no error output"


def pop_report(into: Path) -> dict[str, Any]:
    """Return the facts in `into`/report.json, and delete that file."""
    report = into / "report.json"
    facts: dict[str, Any] = json.loads(report.read_bytes())
    report.unlink()
    return facts


def exit_status_for(error: GraftError) -> int:
    """Return the exit status of the class of `error`."""
    return next(
        (_EXIT_STATUSES[kind] for kind in type(error).__mro__ if kind in _EXIT_STATUSES), _EXIT_STATUSES[TrunkError]
    )


def error_class_for(status: int) -> type[GraftError]:
    """Return the error class of an exit status; TrunkError for any other status."""
    return next((kind for kind, number in _EXIT_STATUSES.items() if number == status), TrunkError)


def run_conversion_task(
    task: str, request: dict[str, Any], into: Path, *, packages: tuple[str, ...], error_prefix: str = ""
) -> dict[str, Any]:
    """Run a task of `zoo.convert.process.sandbox` into the folder `into`; return the facts that it reports.

    Args:
        task: a key of `zoo.convert.process.sandbox.TASKS`.
        request: the task's arguments, ready for JSON.
        into: folder for the task's files.
        packages: packages that the task imports.
        error_prefix: start of every error message.

    Raises:
        MissingExtra: a package is not installed.
        GraftError: the task failed; the class is that of the child's error.
    """
    require_train_packages(*packages, error_prefix=error_prefix)
    try:
        run_module("zoo.convert.process.sandbox", [task, json.dumps(request), str(into)], error_prefix)
    except GraftError as error:
        if (into / ERROR_FILE).is_file():
            raise type(error)(f"{error_prefix}{(into / ERROR_FILE).read_text('utf-8')}") from None
        raise
    return pop_report(into)


def require_train_packages(*packages: str, error_prefix: str = "") -> None:
    """Require that these packages are installed, without importing them; `error_prefix` starts the message.

    Raises:
        MissingExtra: one is not installed.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f'{error_prefix}this needs {", ".join(missing)}, not installed here. Run: pip install "keras-graft[train]".'
        )
