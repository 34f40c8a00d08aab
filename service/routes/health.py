"""Health of the server: /v2/health/live and /v2/health/ready. The only routes that need no API key."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.routes.fast_routes import get_service

health_router = APIRouter(prefix="/v2/health")


@health_router.get("/live")
async def report_live() -> dict[str, bool]:
    """Respond 200 as long as the process runs."""
    return {"live": True}


@health_router.get("/ready")
async def report_ready(request: Request) -> dict[str, bool]:
    """Respond 200 once models are loaded and at least one is served, 503 otherwise."""
    get_service(request).require_ready()
    return {"ready": True}
