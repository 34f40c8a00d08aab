"""What Prometheus reads."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.routes.parts import service_of

router = APIRouter()


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Tell everything that is measured."""
    service = service_of(request)
    service.metrics.loaded(service.models.loaded())
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
