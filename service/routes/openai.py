"""OpenAI's API, as far as it is about embeddings: its clients work with the server's address as `base_url`."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from service.bodies import check_encoding, check_json
from service.embeddings import Asked, about
from service.routes.parts import ServiceDep
from zoo.errors import BadRequest, InputError

PATH: Final = "/v1/embeddings"

router = APIRouter()


@router.post(PATH)
async def embeddings(request: Request, service: ServiceDep) -> Response:
    """Embed texts or token ids: vectors of length 1, and how many tokens were read."""
    check_encoding(request.headers.get("content-encoding", ""))
    body = await request.body()
    check_json(request.headers.get("content-type", ""), body)
    with service.workers.admitted(1):
        asked = await service.workers.run(lambda: Asked.of(body, service.settings.max_texts), request.is_disconnected)
    with about("model"):
        model = service.models.get(asked.model)
    texts = asked.samples(model)
    asked.check_width(model.manifest.signature.outputs[0].shape[-1])
    try:
        features, tokens = await service.embeddings(model, texts, request.is_disconnected)
    except (InputError, BadRequest) as fault:
        fault.add_note("input")
        raise
    answer = await service.workers.run(lambda: asked.answer(model.name, features, tokens), request.is_disconnected)
    return Response(answer, media_type="application/json")
