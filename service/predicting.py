"""Many samples -> their answers, told in order as they come."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

from service.calls import Answer
from service.packing import Takes
from service.samples import Given, Sample
from zoo.errors import GraftError
from zoo.progress import Bar, Progress

Said = Answer | GraftError  # of one sample: its answer, or why it has none
Numbered = tuple[int, Said]


class Oracle(Protocol):
    """Whoever can be asked: a model in this process, or one of a server."""

    name: str
    version: int
    takes: Takes
    task: str
    labels: tuple[str, ...]
    rejects: bool  # whether it may say that it does not know a sample

    def answers(self, samples: Iterable[Sample], count: int, top: int) -> Generator[list[Numbered], None, None]:
        """Yield what is said of `count` samples, a few at a time, each with its number, in almost their order.

        Raises:
            GraftError: nothing more can be asked; one bad sample is no reason for that.
        """


class Sink(Protocol):
    """Whoever tells the user."""

    def add(self, sample: Sample, said: Said) -> None:
        """Take one sample and what is said of it; they come in order."""


def tell(oracle: Oracle, samples: Given, top: int, sinks: Sequence[Sink], progress: Progress) -> int:
    """Ask for all samples and tell every sink; return how many of them got no answer.

    Raises:
        GraftError: nothing more can be asked.
    """
    bad = 0
    count = len(samples)
    with progress.bar("predicting", count) as bar, closing(oracle.answers(samples, count, top)) as answers:
        for sample, said in zip(samples, _in_order(answers, bar), strict=True):
            bad += isinstance(said, GraftError)
            for sink in sinks:
                sink.add(sample, said)
    return bad


def _in_order(answers: Iterator[list[Numbered]], bar: Bar) -> Iterator[Said]:
    """Yield what is said by number, from 0 on; what comes early is kept until its turn."""
    early: dict[int, Said] = {}
    turn = 0
    for some in answers:
        early.update(some)
        bar.advance(len(some))
        while turn in early:
            yield early.pop(turn)
            turn += 1
