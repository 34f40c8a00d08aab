"""The entry to Keras: import TensorFlow with its start-up logging silenced, then train images or texts.

This module itself imports neither; nothing outside this package imports Keras in order to train.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys

from finetune.deep.training_job import DeepRunResult, TrainingJob
from graft.progress import Progress
from zoo.catalog.backbone import ImageSpec


def train_trunk(job: TrainingJob, progress: Progress) -> DeepRunResult:
    """Train the trunk together with its head at the job's depth, and export the trained trunk to ONNX.

    Raises:
        TrainingFailed: a loss is not finite, or not even one sample fits into memory.
        ParityError: ONNX Runtime does not reproduce the trained network.
    """
    import_tensorflow_quietly()
    if isinstance(job.backbone.takes, ImageSpec):
        from finetune.deep.images.train_images import train_images

        return train_images(job, progress)
    from finetune.deep.texts.train_texts import train_texts

    return train_texts(job, progress)


def import_tensorflow_quietly() -> None:
    """Import TensorFlow with its start-up logging silenced, unless the user has set TF_CPP_MIN_LOG_LEVEL.

    Its libraries write to file descriptor 2 while they load, whatever the log level, so that is redirected meanwhile.
    """
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
