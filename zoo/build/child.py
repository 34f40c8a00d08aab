"""A build in a process of its own: TensorFlow's memory and noise stay out of the one that asks for it."""

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

from zoo.backbone import Backbone, Pixels, Precision, Tokens
from zoo.errors import (
    BundleUnsupported,
    GraftError,
    MissingExtra,
    ParityError,
    RecipeError,
    ReplayFailed,
    TrunkError,
    WeightsError,
)

_NEEDED: Final = {
    (Pixels, Precision.FP32): ("tensorflow", "keras_cv", "keras_hub", "tf2onnx", "onnx", "onnxruntime", "sklearn"),
    (Pixels, Precision.INT8): ("onnx", "onnxruntime", "sklearn"),
    (Tokens, Precision.FP32): ("tensorflow", "keras_hub", "onnx", "onnxruntime", "tokenizers"),
    (Tokens, Precision.INT8): ("onnx",),
}
# The CPU alone computes: the same bytes on every machine, and no GPU memory is taken.
QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
# How the child tells which error stopped it.
_STATUS: Final[dict[type[GraftError], int]] = {
    TrunkError: 10,
    ParityError: 11,
    WeightsError: 12,
    MissingExtra: 13,
    ReplayFailed: 14,
    BundleUnsupported: 15,
    RecipeError: 16,
}


def check_installed(backbone: Backbone, precision: Precision) -> None:
    """Raise MissingExtra unless all that a build needs is installed."""
    needed = _NEEDED[type(backbone.takes), precision]
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtra(
            f"building a trunk in {precision} needs {', '.join(missing)}, not installed here. "
            'Run: pip install "keras-graft[train]"; or copy the cache of a machine that has built it (GRAFT_CACHE).'
        )


def build(backbone: Backbone, precision: Precision, source: Path | None, into: Path) -> dict[str, Any]:
    """Let `python -m zoo.build` write `into`/trunk.onnx, and return the facts that it reports.

    Of an image network without `source` the weights are random; `build_seconds` is how long it all took.

    Raises:
        TrunkError: it failed; its last words are in the message. ParityError, WeightsError and
            MissingExtra where it was one of those.
    """
    given = [] if source is None else ["--source", str(source)]
    wish = [backbone.name, "--precision", str(precision), *given, "--into", str(into)]
    began = time.monotonic()
    run("zoo.build", wish, f"the trunk of {backbone.name} in {precision} could not be built: ")
    return report_in(into) | {"build_seconds": round(time.monotonic() - began, 1)}


def run(module: str, words: list[str], failed: str) -> None:
    """Let a module of `zoo.build` work in a process of its own.

    Raises:
        GraftError: it failed, by the class that its exit status stands for; `failed` and its last words are in the
            message.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *words],  # -P: a folder `zoo` where the user stands is not ours
        env=os.environ | QUIET,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise error_of(done.returncode)(f"{failed}{_last_words(done)}")


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == -signal.SIGKILL:
        return "the system killed it, as where memory runs out. Close other programs, or take a larger machine."
    return "\n".join(done.stderr.strip().splitlines()[-4:]) or f"exit status {done.returncode}, without a word"


def report_in(into: Path) -> dict[str, Any]:
    """Return the facts that a child has left in `into`, and delete their file."""
    report = into / "report.json"
    facts: dict[str, Any] = json.loads(report.read_bytes())
    report.unlink()
    return facts


def status_of(error: GraftError) -> int:
    """Return the exit status that stands for `error`."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), _STATUS[TrunkError])


def error_of(status: int) -> type[GraftError]:
    """Return the error that an exit status stands for; TrunkError for any other."""
    return next((kind for kind, number in _STATUS.items() if number == status), TrunkError)
