"""Ask models and hear about them: bare images and texts, multipart, and TensorFlow Serving's JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.bodies import Form, check_encoding, is_bare, read_body
from service.core import Service
from service.model import Model
from service.routes.parts import ModelDep, ServiceDep
from service.schemas import ColumnScores, Embeddings, Metadata, Names, Predictions, RowScores, Status
from service.takes import Sample

router = APIRouter(prefix="/v1/models")


@router.post("/{name}:predict")
@router.post("/{name}/versions/{version}:predict")
async def predict(
    request: Request, model: ModelDep, service: ServiceDep, top: Annotated[int, Query(ge=1, le=100)] = 5
) -> Predictions | RowScores | ColumnScores:
    """Say of each sample what the model's task is: labels, the `top` best, or a value; every score where JSON asked."""
    model.check_predicts()
    form, samples = await _samples(request, model, service)
    scores = await service.scores(model, samples, request.is_disconnected)
    if form == "instances":
        return RowScores(predictions=scores.tolist())
    if form == "inputs":
        return ColumnScores(outputs=scores.tolist())
    return Predictions.of(model, scores, top)


@router.post("/{name}:embed")
@router.post("/{name}/versions/{version}:embed")
async def embed(request: Request, model: ModelDep, service: ServiceDep) -> Embeddings:
    """Return the trunk's features of samples, whatever form they came in."""
    _, samples = await _samples(request, model, service)
    features = await service.features(model, samples, request.is_disconnected)
    return Embeddings(model=model.name, version=model.version, embeddings=features.tolist())


@router.get("")
async def names(service: ServiceDep) -> Names:
    """Tell which models can be asked."""
    service.models.check_looked()
    return Names.of(service.models.newest())


@router.get("/{name}")
async def status(name: str, service: ServiceDep, response: Response) -> Status:
    """Tell how a model is; 503 while no version of it can be asked."""
    answer = Status.of(name, service.models.status(name))
    response.status_code = 200 if answer.ready else 503
    return answer


@router.get("/{name}/versions/{version}")
async def version_status(name: str, model: ModelDep, service: ServiceDep) -> Status:
    """Tell how one version of a model is."""
    found = service.models.status(name)
    return Status.of(name, {model.version: found[model.version]})


@router.get("/{name}/metadata")
@router.get("/{name}/versions/{version}/metadata")
async def metadata(model: ModelDep) -> Metadata:
    """Tell what a model says of itself."""
    return Metadata.of(model)


async def _samples(request: Request, model: Model, service: Service) -> tuple[Form, list[Sample]]:
    """Read and parse the body; what takes time to parse is parsed off the event loop."""
    check_encoding(request.headers.get("content-encoding", ""))
    body = await request.body()
    kind = request.headers.get("content-type", "")
    most = service.most(model)
    if is_bare(kind):
        return read_body(kind, body, model.takes, most)
    with service.workers.admitted(1):
        return await service.workers.run(lambda: read_body(kind, body, model.takes, most), request.is_disconnected)
