"""A build in a process of its own: TensorFlow's memory and noise stay out of the one that asks for it.

Work for Keras that is asked for from outside: done by a child process, so that TensorFlow stays out of this one.
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

# The CPU alone computes: the same bytes on every machine, and no GPU memory is taken.
QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}

# How the child tells which error stopped it.
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
    """Raise MissingExtra unless all that a build needs is installed."""
    needed = _BUILD_PACKAGES[type(backbone.takes), precision]
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f"building a trunk in {precision} needs {', '.join(missing)}, not installed here. "
            'Run: pip install "keras-graft[train]"; or copy the cache of a machine that has built it (GRAFT_CACHE).'
        )


def build_trunk_in_child(backbone: Backbone, precision: Precision, source: Path | None, into: Path) -> dict[str, Any]:
    """Let `python -m zoo.convert` write `into`/trunk.onnx, and return the facts that it reports.

    Of an image network without `source` the weights are random; `build_seconds` is how long it all took.

    Raises:
        TrunkError: it failed; its last words are in the message. ParityError, WeightsError and
            MissingExtra where it was one of those.
    """
    source_arguments = [] if source is None else ["--source", str(source)]
    arguments = [backbone.name, "--precision", str(precision), *source_arguments, "--into", str(into)]
    start = time.monotonic()
    run_module("zoo.convert", arguments, f"the trunk of {backbone.name} in {precision} could not be built: ")
    return pop_report(into) | {"build_seconds": round(time.monotonic() - start, 1)}


def run_module(module: str, arguments: list[str], error_prefix: str) -> None:
    """Let a module of `zoo.convert` work in a process of its own.

    Raises:
        GraftError: it failed, by the class that its exit status stands for; `error_prefix` and its last words are in the
            message.
    """
    process = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],  # -P: a folder `zoo` where the user stands is not ours
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
        return "the system killed it, as where memory runs out. Close other programs, or take a larger machine."
    return "\n".join(process.stderr.strip().splitlines()[-4:]) or f"exit status {process.returncode}, without a word"


def pop_report(into: Path) -> dict[str, Any]:
    """Return the facts that a child has left in `into`, and delete their file."""
    report = into / "report.json"
    facts: dict[str, Any] = json.loads(report.read_bytes())
    report.unlink()
    return facts


def exit_status_for(error: GraftError) -> int:
    """Return the exit status that stands for `error`."""
    return next(
        (_EXIT_STATUSES[kind] for kind in type(error).__mro__ if kind in _EXIT_STATUSES), _EXIT_STATUSES[TrunkError]
    )


def error_class_for(status: int) -> type[GraftError]:
    """Return the error that an exit status stands for; TrunkError for any other."""
    return next((kind for kind, number in _EXIT_STATUSES.items() if number == status), TrunkError)


def run_conversion_task(
    task: str, request: dict[str, Any], into: Path, *, packages: tuple[str, ...], error_prefix: str = ""
) -> dict[str, Any]:
    """Let `zoo.convert.process.sandbox` do a task into the folder `into`, and return the facts that it reports.

    `packages` are the packages that it imports; `error_prefix` begins the message where it fails.

    Raises:
        MissingExtra: a package is not installed.
        GraftError: it failed, by the class of the child's own error.
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
    """Pass if these packages are installed; nothing is imported. `error_prefix` begins the message.

    Raises:
        MissingExtra: one is not.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f'{error_prefix}this needs {", ".join(missing)}, not installed here. Run: pip install "keras-graft[train]".'
        )
