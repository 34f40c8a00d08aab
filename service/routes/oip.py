"""The Open Inference Protocol, as far as it is about inference: tensors as JSON, as raw bytes, or mixed."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from service.oip.answer import is_short, written
from service.oip.asked import Asked
from service.oip.framing import HEADER_LENGTH, check_kind, is_short_to_read
from service.routes.parts import Named, body_of, gone_of


async def infer(request: Request) -> Response:
    """Answer tensors that fit the model's signature with its outputs: features, and scores where it has a head."""
    named, gone = Named.of(request), gone_of(request)
    service = named.service
    body, header_length = await body_of(request), request.headers.get(HEADER_LENGTH)
    check_kind(request.headers.get("content-type", ""), body)
    async with named.using() as model:

        def read() -> Asked:
            return Asked.of(body, header_length, model, service.most(model), service.settings.max_tokens)

        if is_short_to_read(body, header_length):
            asked = read()
        else:
            with service.workers.admitted(1):
                asked = await service.run(read, gone)
        answers = await service.answering.infer(model, asked.arrays, [one.name for one in asked.outputs], gone)
        if is_short(asked, answers):
            answer, headers = written(asked, model, answers)
        else:
            answer, headers = await service.run(lambda: written(asked, model, answers), gone)
    return Response(answer, headers=headers)


POSTS: Final = {"/v2/models/{name}/infer": infer, "/v2/models/{name}/versions/{version}/infer": infer}
