"""Run predictions: samples -> outcomes, passed in order to every sink; and the protocols of predictors and sinks."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

from graft.bundle.manifest import SampleKind
from graft.errors import GraftError
from graft.progress import Progress, ProgressBar
from service.answers import Answer
from service.predict.inputs import PredictInputs, PredictSample

PredictionOutcome = Answer | GraftError  # of one sample: its answer or its error
NumberedOutcome = tuple[int, PredictionOutcome]  # with the number of the sample, from 0


class Predictor(Protocol):
    """A model to predict with: in this process, or on a server."""

    name: str
    version: int
    sample_kind: SampleKind
    task: str
    labels: tuple[str, ...]
    can_answer_unknown: bool  # whether it may reject a sample as out-of-distribution

    def predict_samples(
        self, samples: Iterable[PredictSample], count: int, top: int
    ) -> Generator[list[NumberedOutcome], None, None]:
        """Yield the outcomes of `count` samples, a few at a time, roughly in order; `top` labels in each answer.

        Raises:
            GraftError: no more samples can be predicted; one invalid sample is no reason for that.
        """


class PredictionSink(Protocol):
    """An output for outcomes."""

    def add(self, sample: PredictSample, outcome: PredictionOutcome) -> None:
        """Add one sample and its outcome; called in order."""


def run_predictions(
    predictor: Predictor, inputs: PredictInputs, top: int, sinks: Sequence[PredictionSink], progress: Progress
) -> int:
    """Predict all samples, add the outcomes to every sink, and return how many samples have no answer.

    Raises:
        GraftError: no more samples can be predicted.
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


def _restore_order(batches: Iterator[list[NumberedOutcome]], bar: ProgressBar) -> Iterator[PredictionOutcome]:
    """Yield the outcomes by number, from 0 on; those that come early wait for their turn."""
    early: dict[int, PredictionOutcome] = {}
    next_number = 0
    for batch in batches:
        early.update(batch)
        bar.advance(len(batch))
        while next_number in early:
            yield early.pop(next_number)
            next_number += 1
