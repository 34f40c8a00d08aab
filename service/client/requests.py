"""Requests of both clients: pack samples into bytes, batch them into requests, parse the responses.

No I/O but the reading of sample files: `service.client.client` sends the requests.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.bundle.manifest import SampleKind
from graft.errors import InputError, NotAnImage, NotText, ServerFailed
from graft.inputs.text_bytes import encode_text_sample
from service.answers import Answer, Candidate, Prediction, Tags, Value

DEFAULT_URL: Final = "http://127.0.0.1:8000"
MAX_REQUEST_SAMPLES: Final = 32  # samples in one request
MAX_REQUEST_BYTES: Final = 8 << 20  # bytes of the samples in one request, unless a single sample is larger
MAX_SAMPLE_BYTES: Final = 256 << 20  # bytes of one sample file

# A file's bytes; its path; pixels uint8 [h,w,3] or [h,w]; a pair of texts. A string is a path to an image for a model
# that takes images, and the text itself for one that takes texts.
ClientSample = bytes | str | Path | NDArray[np.uint8] | tuple[str, str]
ResponseJson = Any  # what json.loads returns
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSpec(Generic[T]):
    """One request, and how to parse its response. All requests are idempotent: safe to retry."""

    path: str
    parse: Callable[[ResponseJson], T]
    samples: Sequence[bytes] = ()
    params: tuple[tuple[str, int], ...] = ()  # of the query

    def httpx_arguments(self) -> dict[str, Any]:
        """Return the arguments of an httpx2 request: one sample is the body, several are sent as multipart."""
        if not self.samples:
            return {"method": "GET"}
        arguments: dict[str, Any] = {"method": "POST", "params": dict(self.params)}
        if len(self.samples) == 1:
            return arguments | {"content": self.samples[0], "headers": {"Content-Type": "application/octet-stream"}}
        return arguments | {"files": [("sample", (str(index), sample)) for index, sample in enumerate(self.samples)]}

    def parse_response(self, body: bytes) -> T:
        """Parse the body of a response with status 200.

        Raises:
            ServerFailed: it is not a response of Graft.
        """
        try:
            return self.parse(json.loads(body))
        except (ValueError, KeyError, TypeError) as fault:
            raise ServerFailed(f"the response cannot be parsed ({fault!r}). Is this a Graft server?") from None


def build_predict_requests(
    model: str, samples: Sequence[bytes], top: int, version: int | None
) -> Iterator[RequestSpec[list[Answer]]]:
    """Yield the requests that predict `samples`, in their order, with the `top` most probable labels."""
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
    """Yield the requests that embed `samples`, in their order; the response to n samples is float32 [n,d]."""
    for batch in split_into_requests(samples):
        yield RequestSpec(path=f"{_model_path(model, version)}:embed", parse=_parse_embeddings, samples=batch)


def concatenate_embeddings(responses: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Concatenate the responses to `build_embed_requests`, float32 [n,d] each; of none, float32 [0,0]."""
    return np.concatenate(responses) if responses else np.empty((0, 0), np.float32)


def build_models_request() -> RequestSpec[list[str]]:
    """Return the request for the names of the models."""
    return RequestSpec(path="/v1/models", parse=lambda facts: [str(name) for name in facts["models"]])


def build_metadata_request(model: str, version: int | None) -> RequestSpec[dict[str, Any]]:
    """Return the request for a model's metadata."""
    return RequestSpec(path=f"{_model_path(model, version)}/metadata", parse=dict)


def build_sample_kind_request(model: str, version: int | None) -> RequestSpec[SampleKind]:
    """Return the request for the kind of sample that a model takes."""
    return RequestSpec(path=f"{_model_path(model, version)}/metadata", parse=_parse_sample_kind)


def split_into_requests(samples: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split `samples` into batches of at most MAX_REQUEST_SAMPLES samples and MAX_REQUEST_BYTES bytes.

    >>> [len(batch) for batch in split_into_requests([b"image"] * 70)]
    [32, 32, 6]
    """
    batch: list[bytes] = []
    for sample in samples:
        if batch and (len(batch) == MAX_REQUEST_SAMPLES or sum(map(len, batch)) + len(sample) > MAX_REQUEST_BYTES):
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def is_ambiguous(sample: ClientSample) -> bool:
    """Return whether the meaning of a sample depends on the model: a string is a path or a text."""
    return isinstance(sample, str | tuple)


def pack_samples(samples: Sequence[ClientSample], kind: SampleKind | None) -> list[bytes]:
    """Pack several samples, in their order; raises as `pack_sample` does."""
    return [pack_sample(one, kind) for one in samples]


def pack_sample(sample: ClientSample, kind: SampleKind | None) -> bytes:
    r"""Return a sample as the bytes of an image file or of a text; pixels become a PNG, without loss.

    `kind` is needed only if `is_ambiguous`.

    >>> pack_sample("a text", "text")
    b'a text'
    >>> pack_sample(("a text", "another"), "pair")
    b'["a text", "another"]'
    >>> pack_sample(np.zeros((2, 2, 3), np.uint8), "image")[:4]
    b'\x89PNG'

    Raises:
        InputError: a file cannot be read.
        NotAnImage: an array has another dtype or shape, or a tuple was passed to a model that takes images.
        NotText: a pair was passed to a model that takes single texts, or the reverse; or a text has a lone surrogate.
    """
    match sample:
        case bytes():
            return sample
        case Path():
            return _read_file(sample)
        case str() if kind == "image":
            return _read_file(Path(sample))
        case str() | tuple():
            return _pack_text(sample, kind)
        case _:
            return _encode_png(np.asarray(sample))


def _pack_text(sample: str | tuple[str, ...], kind: SampleKind | None) -> bytes:
    texts = sample if isinstance(sample, tuple) else (sample,)
    if kind == "image":
        raise NotAnImage("the model takes images, and this is a tuple. Send a path, bytes or pixels.")
    if len(texts) != (2 if kind == "pair" else 1) or not all(isinstance(one, str) for one in texts):
        accepted_form = (
            'pairs of texts: send ("a text", "another")' if kind == "pair" else 'single texts: send "a text"'
        )
        raise NotText(f"the model takes {accepted_form}, or a list of such.")
    return encode_text_sample(*texts)


def _read_file(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MAX_SAMPLE_BYTES:
            raise InputError(f"{str(path)[:200]} has {size:,} bytes; at most {MAX_SAMPLE_BYTES:,} are allowed.")
        return path.read_bytes()
    except (OSError, ValueError) as fault:  # a name with a NUL is a ValueError
        reason = getattr(fault, "strerror", None) or fault
        raise InputError(f"{str(path)[:200]} cannot be read ({reason}). Check the path.") from None


def _encode_png(array: NDArray[np.uint8]) -> bytes:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or not array.size:
        raise NotAnImage(
            f"an array of {array.dtype} {list(array.shape)} is not an image. Allowed are uint8 [h,w,3] (RGB) and [h,w] "
            "(grey); pass several images as a list."
        )
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _model_path(model: str, version: int | None) -> str:
    name = f"/v1/models/{quote(model, safe='')}"
    return name if version is None else f"{name}/versions/{version}"


def _parse_predictions(facts: ResponseJson) -> list[Answer]:
    return [_parse_answer(one) for one in facts["predictions"]]


def _parse_answer(facts: ResponseJson) -> Answer:
    if "value" in facts:
        return Value(float(facts["value"]))
    if "tags" in facts:
        return Tags(_parse_candidates(facts["tags"]), _parse_candidates(facts["top"]))
    top = _parse_candidates(facts["top"])
    return Prediction(facts["label"], facts["probability"], top, facts.get("novelty"), facts.get("threshold"))


def _parse_candidates(rows: ResponseJson) -> tuple[Candidate, ...]:
    return tuple(Candidate(**row) for row in rows)


def _parse_sample_kind(facts: ResponseJson) -> SampleKind:
    if facts["input"]["kind"] != "text":
        return "image"
    return "text" if facts["input"]["texts"] == 1 else "pair"


def _parse_embeddings(facts: ResponseJson) -> NDArray[np.float32]:
    return np.array(facts["embeddings"], np.float32)
