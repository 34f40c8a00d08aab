"""TensorFlow without the story that it tells of itself on standard error; a user's own setting stands."""

from __future__ import annotations

import importlib
import logging
import os
import sys


def import_tensorflow_quietly() -> None:
    """Import TensorFlow, whose libraries write to standard error while they are loaded, whatever they are told."""
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    saved_stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        importlib.import_module("tensorflow")
    finally:
        os.dup2(saved_stderr, 2)
        os.close(saved_stderr)
        os.close(devnull)
