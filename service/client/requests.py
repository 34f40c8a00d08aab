"""What the two clients share: how a request looks, and how its answer is read.

What a client is given -> the bytes it sends: files, pixels, texts.
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

T = TypeVar("T")
ResponseJson = Any  # what json.loads returns
DEFAULT_URL: Final = "http://127.0.0.1:8000"
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


# A file's bytes; its path; pixels [h,w,3] or [h,w]; a pair of texts. A string is a path to an image for a model that
# takes images, and the text itself for one that takes texts.
ClientSample = bytes | str | Path | NDArray[np.uint8] | tuple[str, str]
MAX_SAMPLE_BYTES: Final = 256 << 20  # of one sample


def is_ambiguous(sample: ClientSample) -> bool:
    """Tell whether it takes the model to know what is meant by a sample."""
    return isinstance(sample, str | tuple)


def pack_samples(samples: Sequence[ClientSample], kind: SampleKind | None) -> list[bytes]:
    """Pack several samples, in their order; raises as `pack_sample` does."""
    return [pack_sample(one, kind) for one in samples]


def pack_sample(sample: ClientSample, kind: SampleKind | None) -> bytes:
    """Return a sample as the bytes of an image file or of a text; pixels are packed as PNG, which loses nothing.

    `kind` is needed only where `is_ambiguous`.

    Raises:
        InputError: a file cannot be read.
        NotAnImage: an array of another dtype or shape, or a pair of texts where an image is due.
        NotText: a pair where one text is due, or the other way round; or a lone surrogate.
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
            raise InputError(f"{str(path)[:200]} has {size:,} bytes; allowed are {MAX_SAMPLE_BYTES:,} in one sample.")
        return path.read_bytes()
    except (OSError, ValueError) as fault:  # a name with a NUL is a ValueError
        reason = getattr(fault, "strerror", None) or fault
        raise InputError(f"{str(path)[:200]} cannot be read ({reason}). Check the path.") from None


def _encode_png(array: NDArray[np.uint8]) -> bytes:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or not array.size:
        raise NotAnImage(
            f"an array of {array.dtype} {list(array.shape)} is no image. Allowed are uint8 [h,w,3] (RGB) and [h,w] "
            "(grey); give several as a list."
        )
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", compress_level=1)
    return file.getvalue()
