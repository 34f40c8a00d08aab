"""Ask models and hear about them: bare images and texts, multipart, and TensorFlow Serving's JSON."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from service.bodies import Form, is_bare, read_body
from service.core import Service
from service.model import Model
from service.routes.parts import Named, as_json, body_of, gone_of, service_of
from service.schemas import ColumnScores, Embeddings, Metadata, Names, RowScores, Status, predictions
from service.takes import Sample
from zoo.errors import BadRequest

TOP: Final = 5  # labels of an answer, unless the query says otherwise
MOST_TOP: Final = 100

router = APIRouter(prefix="/v1/models")


async def predict(request: Request) -> Response:
    """Say of each sample what the model's task is: labels, the `top` best, or a value; every score where JSON asked."""
    top, named, gone = _top(request), Named.of(request), gone_of(request)
    service = named.service
    body = await body_of(request)
    async with named.using() as model:
        model.check_predicts()
        form, samples = await _samples(request, body, model, service)
        scores = await service.answering.scores(model, samples, gone)
        only = scores[:, : len(model.manifest.labels)]
        if form == "instances":
            return await service.run(lambda: as_json(RowScores(predictions=only.tolist())), gone)
        if form == "inputs":
            return await service.run(lambda: as_json(ColumnScores(outputs=only.tolist())), gone)
        return as_json(predictions(model, scores, top))


async def embed(request: Request) -> Response:
    """Return the trunk's features of samples, whatever form they came in."""
    named, gone = Named.of(request), gone_of(request)
    service = named.service
    body = await body_of(request)
    async with named.using() as model:
        _, samples = await _samples(request, body, model, service)
        features = await service.answering.features(model, samples, gone)
        return await service.run(lambda: as_json(Embeddings.of(model, features)), gone)


POSTS: Final = {
    "/v1/models/{name}:predict": predict,
    "/v1/models/{name}/versions/{version}:predict": predict,
    "/v1/models/{name}:embed": embed,
    "/v1/models/{name}/versions/{version}:embed": embed,
}


@router.get("")
async def names(request: Request) -> Names:
    """Tell which models can be asked."""
    service = service_of(request)
    service.models.check_looked()
    return Names.of(service.models.newest())


@router.get("/{name}")
async def status(name: str, request: Request, response: Response) -> Status:
    """Tell how a model is; 503 while no version of it can be asked."""
    answer = Status.of(name, service_of(request).models.status(name))
    response.status_code = 200 if answer.ready else 503
    return answer


@router.get("/{name}/versions/{version}")
async def version_status(request: Request) -> Status:
    """Tell how one version of a model is."""
    named = Named.of(request)
    model, found = named.get(), named.service.models.status(named.name)
    return Status.of(model.name, {model.version: found[model.version]})


@router.get("/{name}/metadata")
@router.get("/{name}/versions/{version}/metadata")
async def metadata(request: Request) -> Metadata:
    """Tell what a model says of itself."""
    return Metadata.of(Named.of(request).get())


def _top(request: Request) -> int:
    """Return how many labels the query asks for."""
    if not request.scope["query_string"]:
        return TOP
    asked = request.query_params.get("top", str(TOP))
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:4]) <= MOST_TOP):
        raise BadRequest(f"top={asked[:20]!r} is no number of labels. Allowed are whole numbers from 1 to {MOST_TOP}.")
    return int(asked)


async def _samples(request: Request, body: bytes, model: Model, service: Service) -> tuple[Form, list[Sample]]:
    """Parse a body; what takes time to parse is parsed off the event loop."""
    kind = request.headers.get("content-type", "")
    most = service.most(model)
    if is_bare(kind):
        return read_body(kind, body, model.takes, most)
    with service.workers.admitted(1):
        return await service.run(lambda: read_body(kind, body, model.takes, most), gone_of(request))
