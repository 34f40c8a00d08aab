"""OpenAI's API, as far as it is about embeddings: its clients work with the server's address as `base_url`."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from service.bodies import require_json
from service.embeddings import EmbeddingsRequest, note_parameter
from service.routes.parts import get_disconnect_check, get_service, receive_body
from zoo.errors import BadRequest, InputError

EMBEDDINGS_PATH: Final = "/v1/embeddings"


async def create_embeddings(request: Request) -> Response:
    """Embed texts or token ids: vectors of length 1, and how many tokens were read."""
    service, is_disconnected = get_service(request), get_disconnect_check(request)
    body = await receive_body(request)
    require_json(request.headers.get("content-type", ""), body)
    with service.workers.admission(1):
        embeddings_request = await service.run_on_worker(
            lambda: EmbeddingsRequest.from_body(body, service.settings.max_texts), is_disconnected
        )
    with note_parameter("model"):
        service.models.get(embeddings_request.model)  # that there is one
    async with service.lease_model(embeddings_request.model) as model:
        texts = embeddings_request.sample_factories(model)
        embeddings_request.check_dimensions(model.manifest.signature.outputs[0].shape[-1])
        try:
            features, tokens = await service.pipeline.embed_texts(model, texts, is_disconnected)
        except (InputError, BadRequest) as fault:
            fault.add_note("input")
            raise
        answer = await service.run_on_worker(
            lambda: embeddings_request.encode_response(model.name, features, tokens), is_disconnected
        )
    return Response(answer, media_type="application/json")


OPENAI_POST_ROUTES: Final = {EMBEDDINGS_PATH: create_embeddings}
