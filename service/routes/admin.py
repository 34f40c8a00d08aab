"""The Open Inference Protocol's model repository, as far as it loads and unloads: answered when it is done.

What Prometheus reads.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service.routes.fast_routes import ModelRef, get_service

metrics_router = APIRouter()


async def load_model(request: Request) -> Response:
    """Look for a model and its newest version now, without waiting for the next poll."""
    named = ModelRef.from_request(request)
    await named.service.load(named.name)
    return JSONResponse({})


async def unload_model(request: Request) -> Response:
    """Serve a model no more, until it is loaded again or the server starts anew."""
    named = ModelRef.from_request(request)
    await named.service.unload(named.name)
    return JSONResponse({})


REPOSITORY_POST_ROUTES: Final = {
    "/v2/repository/models/{name}/load": load_model,
    "/v2/repository/models/{name}/unload": unload_model,
}


@metrics_router.get("/metrics")
async def export_metrics(request: Request) -> Response:
    """Tell everything that is measured."""
    service = get_service(request)
    service.metrics.set_loaded_models(service.models.count_loaded())
    return Response(service.metrics.render_text(), media_type=CONTENT_TYPE_LATEST)
