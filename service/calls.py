"""What the two clients share: how a request looks, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from service.packing import Takes
from zoo.errors import ServerFailed

T = TypeVar("T")
Json = Any  # what json.loads returns
BATCH_SAMPLES: Final = 32  # samples in one request, at most
BATCH_BYTES: Final = 8 << 20  # and their bytes, where one sample alone is not larger


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label and how probable it is, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model that classifies says of one sample: its most probable label, and the next ones, best first.

    A model that was made to say "unknown" gives `novelty` with every answer, and the `threshold` above which `label`
    is "unknown"; `probability` and `top` are of its classes all the same. Other models leave both None.
    """

    label: str
    probability: float  # of the most probable class
    top: tuple[Candidate, ...]
    novelty: float | None = None  # how unlike everything that the model has learnt the sample is
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """What a model that tags says of one sample: the labels it has, perhaps none, and the most probable ones."""

    tags: tuple[Candidate, ...]  # at or over their threshold, best first
    top: tuple[Candidate, ...]  # best first


@dataclass(frozen=True, slots=True)
class Value:
    """What a model that regresses says of one sample: a number in the unit of its target."""

    value: float


Answer = Prediction | Tags | Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how to read its answer. All of them are safe to repeat."""

    path: str
    read: Callable[[Json], T]
    samples: Sequence[bytes] = ()
    params: tuple[tuple[str, int], ...] = ()

    def request(self) -> dict[str, Any]:
        """Return the arguments of an httpx2 request: one sample is sent bare, several as multipart."""
        if not self.samples:
            return {"method": "GET"}
        asked: dict[str, Any] = {"method": "POST", "params": dict(self.params)}
        if len(self.samples) == 1:
            return asked | {"content": self.samples[0], "headers": {"Content-Type": "application/octet-stream"}}
        return asked | {"files": [("sample", (str(at), sample)) for at, sample in enumerate(self.samples)]}

    def answer(self, body: bytes) -> T:
        """Read the body of a good answer.

        Raises:
            ServerFailed: it is none of Graft's.
        """
        try:
            return self.read(json.loads(body))
        except (ValueError, KeyError, TypeError) as fault:
            raise ServerFailed(f"the answer cannot be read ({fault!r}). Is this a Graft server?") from None


def predict_calls(model: str, samples: Sequence[bytes], top: int, version: int | None) -> Iterator[Call[list[Answer]]]:
    """Describe the requests for what a model says of `samples`, in their order."""
    for batch in batches(samples):
        yield Call(path=f"{_path(model, version)}:predict", read=_answers, samples=batch, params=(("top", top),))


def embed_calls(model: str, samples: Sequence[bytes], version: int | None) -> Iterator[Call[NDArray[np.float32]]]:
    """Describe the requests that embed `samples`, in their order; each is answered by float32 [n,d]."""
    for batch in batches(samples):
        yield Call(path=f"{_path(model, version)}:embed", read=_embeddings, samples=batch)


def stacked(answers: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join the answers to `embed_calls`, float32 [n,d] each; no answers are float32 [0,0]."""
    return np.concatenate(answers) if answers else np.empty((0, 0), np.float32)


def models_call() -> Call[list[str]]:
    """Describe the request for the names of the models."""
    return Call(path="/v1/models", read=lambda facts: [str(name) for name in facts["models"]])


def metadata_call(model: str, version: int | None) -> Call[dict[str, Any]]:
    """Describe the request for what a model says of itself."""
    return Call(path=f"{_path(model, version)}/metadata", read=dict)


def takes_call(model: str, version: int | None) -> Call[Takes]:
    """Describe the request for what a model takes."""
    return Call(path=f"{_path(model, version)}/metadata", read=_takes)


def batches(samples: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Cut `samples` into what one request may hold."""
    batch: list[bytes] = []
    for sample in samples:
        if batch and (len(batch) == BATCH_SAMPLES or sum(map(len, batch)) + len(sample) > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def _path(model: str, version: int | None) -> str:
    name = f"/v1/models/{quote(model, safe='')}"
    return name if version is None else f"{name}/versions/{version}"


def _answers(facts: Json) -> list[Answer]:
    return [_answer(one) for one in facts["predictions"]]


def _answer(one: Json) -> Answer:
    if "value" in one:
        return Value(float(one["value"]))
    if "tags" in one:
        return Tags(_candidates(one["tags"]), _candidates(one["top"]))
    return Prediction(
        one["label"], one["probability"], _candidates(one["top"]), one.get("novelty"), one.get("threshold")
    )


def _candidates(rows: Json) -> tuple[Candidate, ...]:
    return tuple(Candidate(**row) for row in rows)


def _takes(facts: Json) -> Takes:
    if facts["input"]["kind"] != "text":
        return "image"
    return "text" if facts["input"]["texts"] == 1 else "pair"


def _embeddings(facts: Json) -> NDArray[np.float32]:
    return np.array(facts["embeddings"], np.float32)
