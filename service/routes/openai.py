"""OpenAI's API, as far as it is about embeddings: its clients work with the server's address as `base_url`."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from service.bodies import check_json
from service.embeddings import Asked, about
from service.routes.parts import body_of, gone_of, service_of
from zoo.errors import BadRequest, InputError

PATH: Final = "/v1/embeddings"


async def embeddings(request: Request) -> Response:
    """Embed texts or token ids: vectors of length 1, and how many tokens were read."""
    service, gone = service_of(request), gone_of(request)
    body = await body_of(request)
    check_json(request.headers.get("content-type", ""), body)
    with service.workers.admitted(1):
        asked = await service.run(lambda: Asked.of(body, service.settings.max_texts), gone)
    with about("model"):
        service.models.get(asked.model)  # that there is one
    async with service.using(asked.model) as model:
        texts = asked.samples(model)
        asked.check_width(model.manifest.signature.outputs[0].shape[-1])
        try:
            features, tokens = await service.answering.embeddings(model, texts, gone)
        except (InputError, BadRequest) as fault:
            fault.add_note("input")
            raise
        answer = await service.run(lambda: asked.answer(model.name, features, tokens), gone)
    return Response(answer, media_type="application/json")


POSTS: Final = {PATH: embeddings}
