"""Deeper than the head: Keras trains the trunk as well. Nothing outside of this package imports Keras to train."""

from __future__ import annotations

from finetune.deep.training.quiet_import import import_tensorflow_quietly
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
