"""What the two clients share: how a request looks, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ServerFailed

T = TypeVar("T")
Json = Any  # what json.loads returns
BATCH_IMAGES: Final = 32  # images in one request, at most
BATCH_BYTES: Final = 8 << 20  # and their bytes, where one image alone is not larger


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label and how probable it is, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one image: its most probable label, and the next ones, best first."""

    label: str
    probability: float
    top: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how to read its answer. All of them are safe to repeat."""

    path: str
    read: Callable[[Json], T]
    images: Sequence[bytes] = ()
    params: tuple[tuple[str, int], ...] = ()

    def request(self) -> dict[str, Any]:
        """Return the arguments of an httpx2 request: one image is sent bare, several as multipart."""
        if not self.images:
            return {"method": "GET"}
        asked: dict[str, Any] = {"method": "POST", "params": dict(self.params)}
        if len(self.images) == 1:
            return asked | {"content": self.images[0], "headers": {"Content-Type": "application/octet-stream"}}
        return asked | {"files": [("image", (str(at), image)) for at, image in enumerate(self.images)]}

    def answer(self, body: bytes) -> T:
        """Read the body of a good answer.

        Raises:
            ServerFailed: it is none of Graft's.
        """
        try:
            return self.read(json.loads(body))
        except (ValueError, KeyError, TypeError) as fault:
            raise ServerFailed(f"the answer cannot be read ({fault!r}). Is this a Graft server?") from None


def predict_calls(
    model: str, images: Sequence[bytes], top: int, version: int | None
) -> Iterator[Call[list[Prediction]]]:
    """Describe the requests that classify `images`, in their order."""
    for batch in batches(images):
        yield Call(path=f"{_path(model, version)}:predict", read=_predictions, images=batch, params=(("top", top),))


def embed_calls(model: str, images: Sequence[bytes], version: int | None) -> Iterator[Call[NDArray[np.float32]]]:
    """Describe the requests that embed `images`, in their order; each is answered by float32 [n,d]."""
    for batch in batches(images):
        yield Call(path=f"{_path(model, version)}:embed", read=_embeddings, images=batch)


def stacked(answers: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join the answers to `embed_calls`, float32 [n,d] each; no answers are float32 [0,0]."""
    return np.concatenate(answers) if answers else np.empty((0, 0), np.float32)


def models_call() -> Call[list[str]]:
    """Describe the request for the names of the models."""
    return Call(path="/v1/models", read=lambda facts: [str(name) for name in facts["models"]])


def metadata_call(model: str, version: int | None) -> Call[dict[str, Any]]:
    """Describe the request for what a model says of itself."""
    return Call(path=f"{_path(model, version)}/metadata", read=dict)


def batches(images: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Cut `images` into what one request may hold."""
    batch: list[bytes] = []
    for image in images:
        if batch and (len(batch) == BATCH_IMAGES or sum(map(len, batch)) + len(image) > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(image)
    if batch:
        yield batch


def _path(model: str, version: int | None) -> str:
    name = f"/v1/models/{quote(model, safe='')}"
    return name if version is None else f"{name}/versions/{version}"


def _predictions(facts: Json) -> list[Prediction]:
    return [
        Prediction(one["label"], one["probability"], tuple(Candidate(**candidate) for candidate in one["top"]))
        for one in facts["predictions"]
    ]


def _embeddings(facts: Json) -> NDArray[np.float32]:
    return np.array(facts["embeddings"], np.float32)
