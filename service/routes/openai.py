"""OpenAI's embeddings API, /v1/embeddings: OpenAI's clients work with the server's address as `base_url`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

import numpy as np
from fastapi import Request, Response

from graft.errors import BadRequest, GraftError, InputError
from graft.inputs.text import TextInput
from graft.inputs.text_bytes import encode_text_sample
from graft.inputs.token_ids import add_special_tokens
from graft.types import Float32Array
from service.limits.body_size import receive_body
from service.limits.samples_per_request import check_sample_count
from service.models.input_kinds import JsonValue, WireSample
from service.models.model import Model
from service.routes.fast_routes import get_disconnect_check, get_service
from service.routes.samples_from_body import require_json
from service.routes.tf_serving import parse_strict_json

EMBEDDINGS_PATH: Final = "/v1/embeddings"
REQUEST_PARAMETERS: Final = ("input", "model", "encoding_format", "dimensions", "user")
INPUT_HINT: Final = "Send a text, a list of texts, a list of token ids, or a list of such lists."


async def create_embeddings(request: Request) -> Response:
    """Embed texts or token ids: vectors of length 1, and the number of tokens."""
    service, is_disconnected = get_service(request), get_disconnect_check(request)
    body = await receive_body(request, service.settings.max_body)
    require_json(request.headers.get("content-type", ""), body)
    with service.admission.admit(1):
        embeddings_request = await service.workers.run(
            lambda: EmbeddingsRequest.from_body(body, service.settings.max_texts), is_disconnected
        )
    with note_parameter("model"):
        service.models.get(embeddings_request.model)  # raises if there is none
    async with service.models.lease(embeddings_request.model) as model:
        texts = embeddings_request.sample_factories(model)
        embeddings_request.check_dimensions(model.manifest.signature.outputs[0].shape[-1])
        try:
            features, tokens = await service.pipeline.embed_texts(model, texts, is_disconnected)
        except (InputError, BadRequest) as fault:
            fault.add_note("input")
            raise
        content = await service.workers.run(
            lambda: embeddings_request.encode_response(model.name, features, tokens), is_disconnected
        )
    return Response(content, media_type="application/json")


OPENAI_POST_ROUTES: Final = {EMBEDDINGS_PATH: create_embeddings}


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """A request for embeddings."""

    model: str
    inputs: tuple[str | list[int], ...]  # texts or token ids
    as_base64: bool  # float32, little-endian, instead of a list of numbers
    dimensions: int | None  # of an embedding; None for all

    @classmethod
    def from_body(cls, body: bytes, max_inputs: int) -> Self:
        """Parse the JSON of a request with at most `max_inputs` inputs.

        Raises:
            BadRequest: it is not such a request; a note names the parameter.
        """
        facts = parse_strict_json(body)
        if not isinstance(facts, dict):
            raise BadRequest("the JSON must be an object with 'input' and 'model'.")
        for name in facts.keys() - set(REQUEST_PARAMETERS):
            with note_parameter(name[:50]):
                raise BadRequest(
                    f"the parameter {name[:50]!r} is not supported. Allowed are {', '.join(REQUEST_PARAMETERS)}."
                )
        with note_parameter("model"):
            if not isinstance(facts.get("model"), str):
                raise BadRequest("'model' must be the name of a model; `GET /v1/models` lists them.")
        with note_parameter("input"):
            inputs = _parse_inputs(facts.get("input"), max_inputs)
        with note_parameter("encoding_format"):
            if facts.get("encoding_format") not in (None, "float", "base64"):
                raise BadRequest("'encoding_format' must be 'float' or 'base64'.")
        with note_parameter("dimensions"):
            dimensions = facts.get("dimensions")
            if not (dimensions is None or (type(dimensions) is int and dimensions > 0)):
                raise BadRequest("'dimensions' must be an integer from 1.")
        return cls(facts["model"], inputs, facts.get("encoding_format") == "base64", dimensions)

    def sample_factories(self, model: Model) -> list[Callable[[], WireSample]]:
        """Return a function for each input that makes its sample, and may raise NotText or TextTooLong.

        Raises:
            BadRequest: the model does not take single texts; a note names the parameter.
        """
        with note_parameter("model"):
            if not isinstance(model.inputs, TextInput) or model.inputs.texts != 1:
                raise BadRequest(
                    f"the model {model.name!r} takes {model.input_kind.plural}, and /v1/embeddings is for single "
                    f"texts. Use /v1/models/{model.name}:embed."
                )
        inputs = model.inputs
        return [
            partial(encode_text_sample, one) if isinstance(one, str) else partial(add_special_tokens, one, inputs)
            for one in self.inputs
        ]

    def truncate_and_normalize(self, features: Float32Array) -> Float32Array:
        """Truncate features, float32 [n,d], to the requested dimensions and scale each row to length 1: float32 [n,m].

        A row of zeros has no direction and stays as it is.

        >>> request = EmbeddingsRequest("topics", ("a text",), as_base64=False, dimensions=2)
        >>> request.truncate_and_normalize(np.array([[3, 4, 12]], np.float32)).tolist()
        [[0.6000000238418579, 0.800000011920929]]
        """
        truncated = features[:, : self.dimensions].astype(np.float64)
        lengths = np.linalg.norm(truncated, axis=1, keepdims=True)
        vectors: Float32Array = np.divide(truncated, lengths, out=np.zeros_like(truncated), where=lengths > 0).astype(
            np.float32
        )
        return vectors

    def check_dimensions(self, width: int) -> None:
        """Check the requested dimensions against the `width` of the model's features.

        Raises:
            BadRequest: they are more; a note names the parameter.
        """
        with note_parameter("dimensions"):
            if self.dimensions is not None and self.dimensions > width:
                raise BadRequest(f"'dimensions' is {self.dimensions}; the model has {width}. Request fewer.")

    def encode_response(self, model: str, features: Float32Array, tokens: int) -> bytes:
        """Return the JSON of the response to features, float32 [n,d]; slow enough to run on a worker thread."""
        rows = self.truncate_and_normalize(features).astype("<f4")
        json_rows = [base64.b64encode(row).decode() for row in rows] if self.as_base64 else rows.tolist()
        data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(json_rows)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()


@contextmanager
def note_parameter(parameter: str) -> Iterator[None]:
    """Add the name of the parameter to errors that are raised in the block, as a note."""
    try:
        yield
    except GraftError as fault:
        fault.add_note(parameter)
        raise


def openai_error_body(status: int, body: Mapping[str, str], error: BaseException | None) -> dict[str, JsonValue]:
    """Return the JSON of an error in OpenAI's form; `code` is Graft's own."""
    kind = "server_error" if status >= 500 else "rate_limit_exceeded" if status == 429 else "invalid_request_error"
    parameter = next(iter(getattr(error, "__notes__", ())), None)
    return {"error": {"message": body["error"], "type": kind, "param": parameter, "code": body["code"]}}


def _parse_inputs(value: JsonValue, max_inputs: int) -> tuple[str | list[int], ...]:
    """Parse the parameter `input`: a text, token ids, or a list of either."""
    rows = value if isinstance(value, list) and not _is_token_ids(value) else [value]
    if not rows:
        raise BadRequest(f"'input' is empty. {INPUT_HINT}")
    check_sample_count(len(rows), max_inputs, "'input'", "inputs")
    for index, row in enumerate(rows):
        if not isinstance(row, str) and not (isinstance(row, list) and (_is_token_ids(row) or not row)):
            raise BadRequest(f"'input' at {index} is neither a text nor a list of token ids (integers). {INPUT_HINT}")
    return tuple(rows)


def _is_token_ids(row: list[JsonValue]) -> bool:
    return bool(row) and all(type(one) is int for one in row)
