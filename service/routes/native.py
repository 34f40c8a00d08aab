"""Ask models and hear about them: bare images and texts, multipart, and TensorFlow Serving's JSON."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from graft.errors import BadRequest
from service.inference.service import Service
from service.models.input_kinds import WireSample
from service.models.model import Model
from service.routes.fast_routes import ModelRef, get_disconnect_check, get_service, json_response, receive_body
from service.routes.native_responses import (
    ColumnScores,
    Embeddings,
    ModelList,
    ModelMetadata,
    ModelStatus,
    RowScores,
    predictions_response,
)
from service.routes.samples_from_body import BodyForm, is_bare_sample, parse_body

DEFAULT_TOP: Final = 5  # labels of an answer, unless the query says otherwise
MAX_TOP: Final = 100

router = APIRouter(prefix="/v1/models")


async def predict(request: Request) -> Response:
    """Say of each sample what the model's task is: labels, the `top` best, or a value; every score where JSON asked."""
    top, model_ref, is_disconnected = _parse_top(request), ModelRef.from_request(request), get_disconnect_check(request)
    service = model_ref.service
    body = await receive_body(request)
    async with model_ref.lease_model() as model:
        model.require_head()
        form, samples = await _parse_samples(request, body, model, service)
        scores = await service.pipeline.compute_scores(model, samples, is_disconnected)
        class_scores = scores[:, : len(model.manifest.labels)]
        if form == "instances":
            return await service.run_on_worker(
                lambda: json_response(RowScores(predictions=class_scores.tolist())), is_disconnected
            )
        if form == "inputs":
            return await service.run_on_worker(
                lambda: json_response(ColumnScores(outputs=class_scores.tolist())), is_disconnected
            )
        return json_response(predictions_response(model, scores, top))


async def embed(request: Request) -> Response:
    """Return the trunk's features of samples, whatever form they came in."""
    model_ref, is_disconnected = ModelRef.from_request(request), get_disconnect_check(request)
    service = model_ref.service
    body = await receive_body(request)
    async with model_ref.lease_model() as model:
        _, samples = await _parse_samples(request, body, model, service)
        features = await service.pipeline.compute_features(model, samples, is_disconnected)
        return await service.run_on_worker(
            lambda: json_response(Embeddings.from_features(model, features)), is_disconnected
        )


NATIVE_POST_ROUTES: Final = {
    "/v1/models/{name}:predict": predict,
    "/v1/models/{name}/versions/{version}:predict": predict,
    "/v1/models/{name}:embed": embed,
    "/v1/models/{name}/versions/{version}:embed": embed,
}


@router.get("")
async def list_models(request: Request) -> ModelList:
    """Tell which models can be asked."""
    service = get_service(request)
    service.models.require_scanned()
    return ModelList.from_models(service.models.newest_models())


@router.get("/{name}")
async def get_model_status(name: str, request: Request, response: Response) -> ModelStatus:
    """Tell how a model is; 503 while no version of it can be asked."""
    answer = ModelStatus.from_entries(name, get_service(request).models.get_entries(name))
    response.status_code = 200 if answer.ready else 503
    return answer


@router.get("/{name}/versions/{version}")
async def get_version_status(request: Request) -> ModelStatus:
    """Tell how one version of a model is."""
    model_ref = ModelRef.from_request(request)
    model, found = model_ref.get_model(), model_ref.service.models.get_entries(model_ref.name)
    return ModelStatus.from_entries(model.name, {model.version: found[model.version]})


@router.get("/{name}/metadata")
@router.get("/{name}/versions/{version}/metadata")
async def get_metadata(request: Request) -> ModelMetadata:
    """Tell what a model says of itself."""
    return ModelMetadata.from_model(ModelRef.from_request(request).get_model())


def _parse_top(request: Request) -> int:
    """Return how many labels the query asks for."""
    if not request.scope["query_string"]:
        return DEFAULT_TOP
    top = request.query_params.get("top", str(DEFAULT_TOP))
    if not (top.isascii() and top.isdigit() and 1 <= int(top[:4]) <= MAX_TOP):
        raise BadRequest(f"top={top[:20]!r} is no number of labels. Allowed are whole numbers from 1 to {MAX_TOP}.")
    return int(top)


async def _parse_samples(
    request: Request, body: bytes, model: Model, service: Service
) -> tuple[BodyForm, list[WireSample]]:
    """Parse a body; what takes time to parse is parsed off the event loop."""
    kind = request.headers.get("content-type", "")
    max_samples = service.max_samples(model)
    if is_bare_sample(kind):
        return parse_body(kind, body, model.input_kind, max_samples)
    with service.workers.admission(1):
        return await service.run_on_worker(
            lambda: parse_body(kind, body, model.input_kind, max_samples), get_disconnect_check(request)
        )
