"""Whether the server lives and may get traffic; the only routes that need no key."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.routes.parts import service_of

router = APIRouter(prefix="/v2/health")


@router.get("/live")
async def live() -> dict[str, bool]:
    """Answer as long as the process can."""
    return {"live": True}


@router.get("/ready")
async def ready(request: Request) -> dict[str, bool]:
    """Answer 200 when the models are loaded and at least one can be asked, 503 otherwise."""
    service_of(request).check_ready()
    return {"ready": True}
