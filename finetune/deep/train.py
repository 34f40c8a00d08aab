"""Deeper than the head: Keras trains the trunk as well. Nothing outside of this package imports Keras to train."""

from __future__ import annotations

import importlib
import logging
import os
import sys

from finetune.deep.training_job import DeepRunResult, TrainingJob
from graft.progress import Progress
from zoo.catalog.backbone import ImageSpec


def train_trunk(job: TrainingJob, progress: Progress) -> DeepRunResult:
    """Train the trunk and its head as deep as the lesson says.

    Raises:
        TrainingFailed: a loss was not finite, or nothing fits into the memory; the message says where and what to do.
        ParityError: ONNX Runtime does not repeat the trained network.
    """
    import_tensorflow_quietly()
    if isinstance(job.backbone.takes, ImageSpec):
        from finetune.deep.images.train_images import train_images

        return train_images(job, progress)
    from finetune.deep.texts.train_texts import train_texts

    return train_texts(job, progress)


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
