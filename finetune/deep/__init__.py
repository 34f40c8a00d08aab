"""Deeper than the head: Keras trains the trunk as well. Nothing outside of this package imports Keras to train."""

from __future__ import annotations

from finetune.deep.quiet import import_tensorflow_quietly
from finetune.lesson import DeepRunResult, TrainingJob
from zoo.backbone import ImageSpec
from zoo.progress import Progress


def train_trunk(job: TrainingJob, progress: Progress) -> DeepRunResult:
    """Train the trunk and its head as deep as the lesson says.

    Raises:
        TrainingFailed: a loss was not finite, or nothing fits into the memory; the message says where and what to do.
        ParityError: ONNX Runtime does not repeat the trained network.
    """
    import_tensorflow_quietly()
    if isinstance(job.backbone.takes, ImageSpec):
        from finetune.deep.pictures import train_images

        return train_images(job, progress)
    from finetune.deep.texts import train_texts

    return train_texts(job, progress)
