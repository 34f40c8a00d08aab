"""The Open Inference Protocol's infer route: tensors in, tensors out, as JSON, raw bytes or both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from fastapi import Request, Response

from graft.types import Float32Array
from service.limits.body_size import receive_body
from service.limits.samples_per_request import max_samples
from service.models.model import Model
from service.routes.fast_routes import ModelRef, get_disconnect_check
from service.routes.open_inference.request import (
    JSON_LENGTH_HEADER,
    InferRequest,
    OutputRequest,
    check_content_type,
    is_quick_to_parse,
)
from service.routes.open_inference.tensors import DATATYPES

_MAX_INLINE_FLOATS: Final = 256  # encoded on the event loop: faster than handing them to a thread


async def infer(request: Request) -> Response:
    """Run tensors that fit the model's signature: return its features, and scores where it has a head."""
    model_ref, is_disconnected = ModelRef.from_request(request), get_disconnect_check(request)
    service = model_ref.service
    settings = service.settings
    body = await receive_body(request, settings.max_body)
    header_length = request.headers.get(JSON_LENGTH_HEADER)
    check_content_type(request.headers.get("content-type", ""), body)
    async with model_ref.lease() as model:

        def parse_request() -> InferRequest:
            max_rows = max_samples(settings, model)
            return InferRequest.from_body(body, header_length, model, max_rows, settings.max_tokens)

        if is_quick_to_parse(body, header_length):
            infer_request = parse_request()
        else:
            with service.admission.admit(1):
                infer_request = await service.workers.run(parse_request, is_disconnected)
        names = [one.name for one in infer_request.outputs]
        outputs = await service.pipeline.infer(model, infer_request.arrays, names, is_disconnected)
        if is_quick_to_encode(infer_request, outputs):
            content, headers = encode_response(infer_request, model, outputs)
        else:
            content, headers = await service.workers.run(
                lambda: encode_response(infer_request, model, outputs), is_disconnected
            )
    return Response(content, headers=headers)


OPEN_INFERENCE_POST_ROUTES: Final = {
    "/v2/models/{name}/infer": infer,
    "/v2/models/{name}/versions/{version}/infer": infer,
}


def encode_response(
    request: InferRequest, model: Model, outputs: Mapping[str, Float32Array]
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a response with the requested `outputs`: finite, float32 [n,…], by name."""
    facts = {"model_name": model.name, "model_version": str(model.version)}
    if request.id is not None:
        facts["id"] = request.id
    encoded = b", ".join(_encode_output(one, outputs[one.name]) for one in request.outputs)
    text = json.dumps(facts).encode()[:-1] + b', "outputs": [' + encoded + b"]}"
    raw = [outputs[one.name].astype("<f4", copy=False).tobytes() for one in request.outputs if one.is_raw]
    if not raw:
        return text, {"Content-Type": "application/json"}
    return b"".join([text, *raw]), {"Content-Type": "application/octet-stream", JSON_LENGTH_HEADER: str(len(text))}


def is_quick_to_encode(request: InferRequest, outputs: Mapping[str, Float32Array]) -> bool:
    """Return whether to encode a response on the event loop: it has few numbers in JSON."""
    return sum(outputs[one.name].size for one in request.outputs if not one.is_raw) <= _MAX_INLINE_FLOATS


def _encode_output(output: OutputRequest, floats: Float32Array) -> bytes:
    """Return the JSON of one output, float32 [n,…]; without its numbers if they are requested raw."""
    facts: dict[str, object] = {
        "name": output.name,
        "shape": list(floats.shape),
        "datatype": DATATYPES[floats.dtype.name],
    }
    if output.is_raw:
        return json.dumps(facts | {"parameters": {"binary_data_size": floats.nbytes}}).encode()
    # Row by row, as each is one call during which no other thread runs. NumPy writes the fewest digits that identify
    # the float32: half as many as a double's.
    numbers = b",".join(b",".join(row.astype("S").tolist()) for row in floats.reshape(len(floats), -1))
    return json.dumps(facts).encode()[:-1] + b', "data": [' + numbers + b"]}"
