"""What Prometheus reads."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.routes.parts import get_service

metrics_router = APIRouter()


@metrics_router.get("/metrics")
async def export_metrics(request: Request) -> Response:
    """Tell everything that is measured."""
    service = get_service(request)
    service.metrics.set_loaded_models(service.models.count_loaded())
    return Response(service.metrics.render_text(), media_type=CONTENT_TYPE_LATEST)
