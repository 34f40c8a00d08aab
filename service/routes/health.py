"""Whether the server lives and may get traffic; the only routes that need no key."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.routes.fast_routes import get_service

health_router = APIRouter(prefix="/v2/health")


@health_router.get("/live")
async def report_live() -> dict[str, bool]:
    """Answer as long as the process can."""
    return {"live": True}


@health_router.get("/ready")
async def report_ready(request: Request) -> dict[str, bool]:
    """Answer 200 when the models are loaded and at least one can be asked, 503 otherwise."""
    get_service(request).require_ready()
    return {"ready": True}
