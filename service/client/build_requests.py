"""What the two clients share: how a request looks, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from graft.bundle.manifest import SampleKind
from graft.errors import ServerFailed
from service.answers import Answer, Candidate, Prediction, Tags, Value

T = TypeVar("T")
ResponseJson = Any  # what json.loads returns
MAX_REQUEST_SAMPLES: Final = 32  # samples in one request, at most
MAX_REQUEST_BYTES: Final = 8 << 20  # and their bytes, where one sample alone is not larger


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSpec(Generic[T]):
    """One request, and how to read its answer. All of them are safe to repeat."""

    path: str
    parse: Callable[[ResponseJson], T]
    samples: Sequence[bytes] = ()
    params: tuple[tuple[str, int], ...] = ()

    def httpx_arguments(self) -> dict[str, Any]:
        """Return the arguments of an httpx2 request: one sample is sent bare, several as multipart."""
        if not self.samples:
            return {"method": "GET"}
        arguments: dict[str, Any] = {"method": "POST", "params": dict(self.params)}
        if len(self.samples) == 1:
            return arguments | {"content": self.samples[0], "headers": {"Content-Type": "application/octet-stream"}}
        return arguments | {"files": [("sample", (str(at), sample)) for at, sample in enumerate(self.samples)]}

    def parse_response(self, body: bytes) -> T:
        """Read the body of a good answer.

        Raises:
            ServerFailed: it is none of Graft's.
        """
        try:
            return self.parse(json.loads(body))
        except (ValueError, KeyError, TypeError) as fault:
            raise ServerFailed(f"the answer cannot be read ({fault!r}). Is this a Graft server?") from None


def build_predict_requests(
    model: str, samples: Sequence[bytes], top: int, version: int | None
) -> Iterator[RequestSpec[list[Answer]]]:
    """Describe the requests for what a model says of `samples`, in their order."""
    for batch in split_into_requests(samples):
        yield RequestSpec(
            path=f"{_model_path(model, version)}:predict",
            parse=_parse_predictions,
            samples=batch,
            params=(("top", top),),
        )


def build_embed_requests(
    model: str, samples: Sequence[bytes], version: int | None
) -> Iterator[RequestSpec[NDArray[np.float32]]]:
    """Describe the requests that embed `samples`, in their order; each is answered by float32 [n,d]."""
    for batch in split_into_requests(samples):
        yield RequestSpec(path=f"{_model_path(model, version)}:embed", parse=_parse_embeddings, samples=batch)


def concatenate_embeddings(answers: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join the answers to `build_embed_requests`, float32 [n,d] each; no answers are float32 [0,0]."""
    return np.concatenate(answers) if answers else np.empty((0, 0), np.float32)


def build_models_request() -> RequestSpec[list[str]]:
    """Describe the request for the names of the models."""
    return RequestSpec(path="/v1/models", parse=lambda facts: [str(name) for name in facts["models"]])


def build_metadata_request(model: str, version: int | None) -> RequestSpec[dict[str, Any]]:
    """Describe the request for what a model says of itself."""
    return RequestSpec(path=f"{_model_path(model, version)}/metadata", parse=dict)


def build_sample_kind_request(model: str, version: int | None) -> RequestSpec[SampleKind]:
    """Describe the request for what a model takes."""
    return RequestSpec(path=f"{_model_path(model, version)}/metadata", parse=_parse_sample_kind)


def split_into_requests(samples: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Cut `samples` into what one request may hold."""
    batch: list[bytes] = []
    for sample in samples:
        if batch and (len(batch) == MAX_REQUEST_SAMPLES or sum(map(len, batch)) + len(sample) > MAX_REQUEST_BYTES):
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def _model_path(model: str, version: int | None) -> str:
    name = f"/v1/models/{quote(model, safe='')}"
    return name if version is None else f"{name}/versions/{version}"


def _parse_predictions(facts: ResponseJson) -> list[Answer]:
    return [_parse_prediction(one) for one in facts["predictions"]]


def _parse_prediction(one: ResponseJson) -> Answer:
    if "value" in one:
        return Value(float(one["value"]))
    if "tags" in one:
        return Tags(_parse_candidates(one["tags"]), _parse_candidates(one["top"]))
    return Prediction(
        one["label"], one["probability"], _parse_candidates(one["top"]), one.get("novelty"), one.get("threshold")
    )


def _parse_candidates(rows: ResponseJson) -> tuple[Candidate, ...]:
    return tuple(Candidate(**row) for row in rows)


def _parse_sample_kind(facts: ResponseJson) -> SampleKind:
    if facts["input"]["kind"] != "text":
        return "image"
    return "text" if facts["input"]["texts"] == 1 else "pair"


def _parse_embeddings(facts: ResponseJson) -> NDArray[np.float32]:
    return np.array(facts["embeddings"], np.float32)
