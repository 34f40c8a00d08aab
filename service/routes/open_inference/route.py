"""The Open Inference Protocol, as far as it is about inference: tensors as JSON, as raw bytes, or mixed.

The answer to an infer request: JSON, and raw tensors behind it where they were asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from fastapi import Request, Response

from graft.types import Float32Array
from service.models.model import Model
from service.routes.fast_routes import ModelRef, get_disconnect_check, receive_body
from service.routes.open_inference.request import (
    JSON_LENGTH_HEADER,
    InferRequest,
    OutputRequest,
    check_content_type,
    is_quick_to_parse,
)
from service.routes.open_inference.tensors import DATATYPES

_MAX_INLINE_FLOATS: Final = 256  # floats that are text sooner than a thread would begin


def encode_response(
    request: InferRequest, model: Model, answers: Mapping[str, Float32Array]
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of the answer; `answers` are finite, float32 [n,…], by output."""
    facts = {"model_name": model.name, "model_version": str(model.version)}
    if request.id is not None:
        facts["id"] = request.id
    outputs = b", ".join(_encode_output(wanted, answers[wanted.name]) for wanted in request.outputs)
    text = json.dumps(facts).encode()[:-1] + b', "outputs": [' + outputs + b"]}"
    raw = [answers[wanted.name].astype("<f4", copy=False).tobytes() for wanted in request.outputs if wanted.is_raw]
    if not raw:
        return text, {"Content-Type": "application/json"}
    return b"".join([text, *raw]), {"Content-Type": "application/octet-stream", JSON_LENGTH_HEADER: str(len(text))}


def is_quick_to_encode(request: InferRequest, answers: Mapping[str, Float32Array]) -> bool:
    """Tell whether to write an answer at once, on the event loop."""
    return sum(answers[wanted.name].size for wanted in request.outputs if not wanted.is_raw) <= _MAX_INLINE_FLOATS


def _encode_output(wanted: OutputRequest, floats: Float32Array) -> bytes:
    """Write one output's JSON; without its numbers if they are wanted raw."""
    facts: dict[str, object] = {
        "name": wanted.name,
        "shape": list(floats.shape),
        "datatype": DATATYPES[floats.dtype.name],
    }
    if wanted.is_raw:
        return json.dumps(facts | {"parameters": {"binary_data_size": floats.nbytes}}).encode()
    # Row by row, for each is one call that lets no other thread run. As text NumPy has the fewest digits that say
    # the float32, half of what a double's are.
    numbers = b",".join(b",".join(row.astype("S").tolist()) for row in floats.reshape(len(floats), -1))
    return json.dumps(facts).encode()[:-1] + b', "data": [' + numbers + b"]}"


async def infer(request: Request) -> Response:
    """Answer tensors that fit the model's signature with its outputs: features, and scores where it has a head."""
    model_ref, is_disconnected = ModelRef.from_request(request), get_disconnect_check(request)
    service = model_ref.service
    body, header_length = await receive_body(request), request.headers.get(JSON_LENGTH_HEADER)
    check_content_type(request.headers.get("content-type", ""), body)
    async with model_ref.lease_model() as model:

        def parse_request() -> InferRequest:
            return InferRequest.from_body(
                body, header_length, model, service.max_samples(model), service.settings.max_tokens
            )

        if is_quick_to_parse(body, header_length):
            infer_request = parse_request()
        else:
            with service.workers.admission(1):
                infer_request = await service.run_on_worker(parse_request, is_disconnected)
        answers = await service.pipeline.infer(
            model, infer_request.arrays, [one.name for one in infer_request.outputs], is_disconnected
        )
        if is_quick_to_encode(infer_request, answers):
            answer, headers = encode_response(infer_request, model, answers)
        else:
            answer, headers = await service.run_on_worker(
                lambda: encode_response(infer_request, model, answers), is_disconnected
            )
    return Response(answer, headers=headers)


OPEN_INFERENCE_POST_ROUTES: Final = {
    "/v2/models/{name}/infer": infer,
    "/v2/models/{name}/versions/{version}/infer": infer,
}
