"""Remote model of `predict`: a server, with several concurrent requests so that it never waits for this side."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Final

from graft.errors import BadRequest, BodyTooLarge, InputError, NotAnImage
from graft.runtime.cpu_threads import batched, map_ordered, thread_pool
from service.client.client import Client
from service.predict.inputs import PredictSample
from service.predict.run import NumberedOutcome, PredictionOutcome

MAX_CONCURRENT_REQUESTS: Final = 8
MAX_SAMPLES_PER_REQUEST: Final = 8  # times MAX_CONCURRENT_REQUESTS: within a server's queue at its defaults
MAX_RETRIES: Final = 6  # if others keep the server busy; some ten seconds in all


class RemoteModel:
    """A predictor that uses one version of a model on a server: the newest one when it was created."""

    def __init__(self, url: str, name: str) -> None:
        """Get the metadata of a model from the server at `url`.

        Raises:
            GraftError: the server does not answer, or has no such model.
        """
        with Client(url) as client:
            facts = client.metadata(name)
            self.sample_kind = client.sample_kind(name)
        self.name, self.version = name, int(facts["version"])
        self.task, self.labels = str(facts["task"]), tuple(map(str, facts["labels"]))
        self.can_answer_unknown = "novelty" in facts["head"]
        self._url = url

    def predict_samples(
        self, samples: Iterable[PredictSample], count: int, top: int
    ) -> Generator[list[NumberedOutcome], None, None]:
        """Yield the outcomes of `count` samples, in order."""
        with Client(self._url, retries=MAX_RETRIES) as client, thread_pool(MAX_CONCURRENT_REQUESTS) as pool:

            def predict_task(samples: list[tuple[int, PredictSample]]) -> list[NumberedOutcome]:
                return self._predict_batch(client, samples, top)

            share = max(1, min(MAX_SAMPLES_PER_REQUEST, count // MAX_CONCURRENT_REQUESTS))
            yield from map_ordered(pool, predict_task, batched(enumerate(samples), share), 2 * MAX_CONCURRENT_REQUESTS)

    def _predict_batch(
        self, client: Client, samples: list[tuple[int, PredictSample]], top: int
    ) -> list[NumberedOutcome]:
        """Predict a few samples in one request; if that fails, one by one, so that only invalid ones fail."""
        outcomes: list[NumberedOutcome] = []
        numbered_bytes: list[tuple[int, bytes]] = []
        for number, sample in samples:
            try:
                numbered_bytes.append((number, self._read_bytes(sample)))
            except InputError as fault:
                outcomes.append((number, fault))
        if len(numbered_bytes) > 1:
            try:
                answers = client.predict(self.name, [data for _, data in numbered_bytes], top=top, version=self.version)
                return outcomes + [
                    (number, answer) for (number, _), answer in zip(numbered_bytes, answers, strict=True)
                ]
            except (InputError, BadRequest, BodyTooLarge):
                pass
        return outcomes + [(number, self._predict_one(client, data, top)) for number, data in numbered_bytes]

    def _read_bytes(self, sample: PredictSample) -> bytes:
        data = sample.to_bytes(self.sample_kind)
        if not data and self.sample_kind == "image":
            raise NotAnImage("the file is empty. Allowed are JPEG, PNG, WebP, BMP and GIF.")  # a request without a body
        return data

    def _predict_one(self, client: Client, data: bytes, top: int) -> PredictionOutcome:
        try:
            return client.predict(self.name, data, top=top, version=self.version)
        except (InputError, BodyTooLarge) as fault:
            return fault
