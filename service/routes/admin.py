"""Administration, behind the API key: load and unload models (KServe's model repository API), Prometheus metrics."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service.routes.fast_routes import ModelRef, get_service

metrics_router = APIRouter()


async def load_model(request: Request) -> Response:
    """Load a model's newest version now, without waiting for the next poll; respond when it is served."""
    model_ref = ModelRef.from_request(request)
    await model_ref.service.load(model_ref.name)
    return JSONResponse({})


async def unload_model(request: Request) -> Response:
    """Unload a model, until it is loaded again or the server restarts; respond when its last request is answered."""
    model_ref = ModelRef.from_request(request)
    await model_ref.service.unload(model_ref.name)
    return JSONResponse({})


REPOSITORY_POST_ROUTES: Final = {
    "/v2/repository/models/{name}/load": load_model,
    "/v2/repository/models/{name}/unload": unload_model,
}


@metrics_router.get("/metrics")
async def export_metrics(request: Request) -> Response:
    """Return all metrics in Prometheus' text format."""
    service = get_service(request)
    service.metrics.set_loaded_models(service.models.count_loaded())
    return Response(service.metrics.render_text(), media_type=CONTENT_TYPE_LATEST)
