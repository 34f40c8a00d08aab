"""Native routes: :predict and :embed for images and texts, multipart, TensorFlow Serving's JSON; model status."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from graft.errors import BadRequest
from service.answers import answer_fields, build_answers
from service.limits.body_size import receive_body
from service.routes.fast_routes import ModelRef, get_disconnect_check, get_service, json_response
from service.routes.native_responses import ColumnScores, Embeddings, ModelList, ModelMetadata, ModelStatus, RowScores
from service.routes.samples_from_body import request_samples

DEFAULT_TOP: Final = 5  # labels of an answer, unless the query says otherwise
MAX_TOP: Final = 100

router = APIRouter(prefix="/v1/models")


async def predict(request: Request) -> Response:
    """Predict samples: the `top` most probable labels, tags or a value of each; all scores if they came as JSON."""
    top, model_ref, is_disconnected = _parse_top(request), ModelRef.from_request(request), get_disconnect_check(request)
    service = model_ref.service
    body = await receive_body(request, service.settings.max_body)
    async with model_ref.lease() as model:
        model.require_head()
        form, samples = await request_samples(request, body, model)
        scores = await service.pipeline.compute_scores(model, samples, is_disconnected)
        if form == "instances" or form == "inputs":
            response_type = RowScores if form == "instances" else ColumnScores
            class_scores = scores[:, : len(model.manifest.labels)]  # without novelty
            return await service.workers.run(
                lambda: json_response(response_type.from_scores(class_scores)), is_disconnected
            )
        answers = [answer_fields(one) for one in build_answers(model.manifest, scores, top)]
        return json_response({"model": model.name, "version": model.version, "predictions": answers})


async def embed(request: Request) -> Response:
    """Return the trunk's features of samples, in any of the forms that `predict` takes."""
    model_ref, is_disconnected = ModelRef.from_request(request), get_disconnect_check(request)
    service = model_ref.service
    body = await receive_body(request, service.settings.max_body)
    async with model_ref.lease() as model:
        _, samples = await request_samples(request, body, model)
        features = await service.pipeline.compute_features(model, samples, is_disconnected)
        return await service.workers.run(
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
    """List the models that are served."""
    service = get_service(request)
    service.models.require_scanned()
    return ModelList.from_models(service.models.newest_models())


@router.get("/{name}")
async def get_model_status(name: str, request: Request, response: Response) -> ModelStatus:
    """Return the status of a model and its versions; 503 while no version is served."""
    status = ModelStatus.from_entries(name, get_service(request).models.get_entries(name))
    response.status_code = 200 if status.ready else 503
    return status


@router.get("/{name}/versions/{version}")
async def get_version_status(request: Request) -> ModelStatus:
    """Return the status of one version of a model."""
    model_ref = ModelRef.from_request(request)
    model, entries = model_ref.get_model(), model_ref.service.models.get_entries(model_ref.name)
    return ModelStatus.from_entries(model.name, {model.version: entries[model.version]})


@router.get("/{name}/metadata")
@router.get("/{name}/versions/{version}/metadata")
async def get_metadata(request: Request) -> ModelMetadata:
    """Return a model's public metadata."""
    return ModelMetadata.from_model(ModelRef.from_request(request).get_model())


def _parse_top(request: Request) -> int:
    """Return the query's `top`: how many labels an answer lists."""
    if not request.scope["query_string"]:
        return DEFAULT_TOP
    top = request.query_params.get("top", str(DEFAULT_TOP))
    if not (top.isascii() and top.isdigit() and 1 <= int(top[:4]) <= MAX_TOP):
        raise BadRequest(f"top={top[:20]!r} is not a number of labels. Allowed are integers from 1 to {MAX_TOP}.")
    return int(top)
