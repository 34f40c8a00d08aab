"""What Prometheus reads."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.routes.parts import ServiceDep

router = APIRouter()


@router.get("/metrics")
async def metrics(service: ServiceDep) -> Response:
    """Tell everything that is measured."""
    service.metrics.loaded(service.models.loaded())
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
