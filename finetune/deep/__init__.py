"""Deeper than the head: Keras trains the trunk as well. Nothing outside of this package imports Keras to train."""

from __future__ import annotations

from finetune.deep.quiet import import_tensorflow
from finetune.lesson import Deepened, Lesson
from zoo.backbone import Pixels
from zoo.progress import Progress


def deepen(lesson: Lesson, progress: Progress) -> Deepened:
    """Train the trunk and its head as deep as the lesson says.

    Raises:
        TrainingFailed: a loss was not finite, or nothing fits into the memory; the message says where and what to do.
        ParityError: ONNX Runtime does not repeat the trained network.
    """
    import_tensorflow()
    if isinstance(lesson.backbone.takes, Pixels):
        from finetune.deep.pictures import deepen_pictures

        return deepen_pictures(lesson, progress)
    from finetune.deep.texts import deepen_texts

    return deepen_texts(lesson, progress)
