"""A model of a server asked with several requests in flight, so that the server never waits for this side."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Final

from service.client import Client
from service.predicting import Numbered, Said
from service.samples import Sample
from zoo.errors import BadRequest, BodyTooLarge, InputError, NotAnImage
from zoo.pool import crew, cut, done_by

REQUESTS: Final = 8  # in flight
SAMPLES: Final = 8  # of one request: REQUESTS times as many fit a server's queue at its defaults
RETRIES: Final = 6  # while others keep the server busy; some ten seconds in all


class Online:
    """The version of a model that the server at `url` answered with first: all samples are asked of the same."""

    def __init__(self, url: str, name: str) -> None:
        """Ask what the server at `url` has.

        Raises:
            GraftError: the server does not answer, or has no such model.
        """
        with Client(url) as client:
            facts = client.metadata(name)
            self.takes = client.takes(name)
        self.name, self.version = name, int(facts["version"])
        self.task, self.labels = str(facts["task"]), tuple(map(str, facts["labels"]))
        self.rejects = "novelty" in facts["head"]
        self._url = url

    def answers(self, samples: Iterable[Sample], count: int, top: int) -> Generator[list[Numbered], None, None]:
        """Yield what the server says, in order."""
        with Client(self._url, retries=RETRIES) as client, crew(REQUESTS) as pool:

            def work(some: list[tuple[int, Sample]]) -> list[Numbered]:
                return self._ask(client, some, top)

            share = max(1, min(SAMPLES, count // REQUESTS))
            yield from done_by(pool, work, cut(enumerate(samples), share), 2 * REQUESTS)

    def _ask(self, client: Client, some: list[tuple[int, Sample]], top: int) -> list[Numbered]:
        """Ask for a few samples in one request; where that fails, one by one, so that only the guilty one fails."""
        said: list[Numbered] = []
        read: list[tuple[int, bytes]] = []
        for number, sample in some:
            try:
                read.append((number, self._read(sample)))
            except InputError as fault:
                said.append((number, fault))
        if len(read) > 1:
            try:
                answers = client.predict(self.name, [data for _, data in read], top=top, version=self.version)
                return said + [(number, answer) for (number, _), answer in zip(read, answers, strict=True)]
            except (InputError, BadRequest, BodyTooLarge):
                pass
        return said + [(number, self._one(client, data, top)) for number, data in read]

    def _read(self, sample: Sample) -> bytes:
        data = sample.bytes(self.takes)
        if not data and self.takes == "image":
            raise NotAnImage("the file is empty. Allowed are JPEG, PNG, WebP, BMP and GIF.")  # a body must not be
        return data

    def _one(self, client: Client, data: bytes, top: int) -> Said:
        try:
            return client.predict(self.name, data, top=top, version=self.version)
        except (InputError, BodyTooLarge) as fault:
            return fault
