"""Many samples -> their answers, told in order as they come."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

from graft.bundle.manifest import SampleKind
from graft.errors import GraftError
from graft.progress import Progress, ProgressBar
from service.answers import Answer
from service.predict.inputs import PredictInputs, PredictSample

PredictionOutcome = Answer | GraftError  # of one sample: its answer, or why it has none
NumberedOutcome = tuple[int, PredictionOutcome]


class Predictor(Protocol):
    """Whoever can be asked: a model in this process, or one of a server."""

    name: str
    version: int
    sample_kind: SampleKind
    task: str
    labels: tuple[str, ...]
    can_answer_unknown: bool  # whether it may say that it does not know a sample

    def predict_samples(
        self, samples: Iterable[PredictSample], count: int, top: int
    ) -> Generator[list[NumberedOutcome], None, None]:
        """Yield what is said of `count` samples, a few at a time, each with its number, in almost their order.

        Raises:
            GraftError: nothing more can be asked; one bad sample is no reason for that.
        """


class PredictionSink(Protocol):
    """Whoever tells the user."""

    def add(self, sample: PredictSample, outcome: PredictionOutcome) -> None:
        """Take one sample and what is said of it; they come in order."""


def run_predictions(
    predictor: Predictor, inputs: PredictInputs, top: int, sinks: Sequence[PredictionSink], progress: Progress
) -> int:
    """Ask for all samples and tell every sink; return how many of them got no answer.

    Raises:
        GraftError: nothing more can be asked.
    """
    failure_count = 0
    count = len(inputs)
    with (
        progress.bar("predicting", count) as bar,
        closing(predictor.predict_samples(inputs, count, top)) as outcome_batches,
    ):
        for sample, outcome in zip(inputs, _restore_order(outcome_batches, bar), strict=True):
            failure_count += isinstance(outcome, GraftError)
            for sink in sinks:
                sink.add(sample, outcome)
    return failure_count


def _restore_order(answers: Iterator[list[NumberedOutcome]], bar: ProgressBar) -> Iterator[PredictionOutcome]:
    """Yield what is said by number, from 0 on; what comes early is kept until its turn."""
    early: dict[int, PredictionOutcome] = {}
    next_number = 0
    for some in answers:
        early.update(some)
        bar.advance(len(some))
        while next_number in early:
            yield early.pop(next_number)
            next_number += 1
