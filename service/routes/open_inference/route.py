"""The Open Inference Protocol, as far as it is about inference: tensors as JSON, as raw bytes, or mixed."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from service.routes.dependencies import ModelRef, get_disconnect_check, receive_body
from service.routes.open_inference.request import (
    JSON_LENGTH_HEADER,
    InferRequest,
    check_content_type,
    is_quick_to_parse,
)
from service.routes.open_inference.response import encode_response, is_quick_to_encode


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
