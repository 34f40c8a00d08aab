"""The application: wiring only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.auth import require_key, with_key
from service.batching import Batchers
from service.core import Service
from service.direct import Direct
from service.embeddings import envelope
from service.engine import Engine, OnnxEngine
from service.errors import plain_wire, to_wire
from service.metrics import Metrics
from service.models import Models
from service.routes import health, metrics, native, oip, openai, repository
from service.settings import Settings
from service.workers import Workers
from zoo import __version__
from zoo.cores import cores
from zoo.errors import BadRequest, GraftError

log = logging.getLogger("graft")


def create_app(settings: Settings, engine: Engine | None = None) -> FastAPI:
    """Return the application that serves the repository `settings.models`."""
    app = Direct(title="Graft", version=__version__, lifespan=_life, openapi_url=None, redirect_slashes=False)
    app.state.service = _service(settings, engine or OnnxEngine(settings.device))
    for path, endpoint in (native.POSTS | oip.POSTS | openai.POSTS | repository.POSTS).items():
        app.add_direct(path, with_key(endpoint))
    for router in (native.router, metrics.router):
        app.include_router(router, dependencies=[Depends(require_key)])
    app.include_router(health.router)
    app.add_exception_handler(GraftError, _answer)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer)
    return app


def _service(settings: Settings, engine: Engine) -> Service:
    metrics = Metrics()
    workers = Workers(settings.workers, settings.max_waiting)
    batchers = Batchers(workers, metrics)
    models = Models(settings.models, engine, settings.versions, batchers.prepare)
    return Service(settings, models, workers, batchers, metrics)


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    """Watch the repository as long as the server lives; health answers while models are loaded."""
    service: Service = app.state.service
    watch = asyncio.create_task(_watch(service))
    try:
        yield
    finally:
        service.stopping = True
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        service.workers.close()


async def _watch(service: Service) -> None:
    """Look at the repository again and again; whatever happens there, the next look comes."""
    told, welcomed = "", False
    while True:
        try:
            await service.refresh()
            told = ""
        except Exception as fault:
            if str(fault) != told:  # once, not every second
                told = str(fault)
                known = isinstance(fault, OSError)
                log.warning("the models folder cannot be read (%s); looking again", fault, exc_info=not known)
        if service.models.looked and not welcomed:
            welcomed = True
            log.info(_topology(service))
            log.info(_welcome(service))
        await asyncio.sleep(service.settings.poll)


def _topology(service: Service) -> str:
    return f"one process on {cores()} cores, {service.workers.threads} runs at a time, each on one thread"


def _welcome(service: Service) -> str:
    settings = service.settings
    models = service.models.newest()
    if not models:
        return f"waiting at {settings.url}: no model in {settings.models} yet; `finetune DATA` makes one"
    model = models[0]
    key = ' -H "Authorization: Bearer $GRAFT_API_KEY"' if settings.api_key else ""
    verb = "predict" if model.grafted.head else "embed"
    return f"ready: curl {model.takes.curl}{key} {settings.url}/v1/models/{model.name}:{verb}"


async def _answer(request: Request, error: Exception) -> Response:
    status, body = to_wire(error)
    if status == 500:
        log.error("failed: %s", error, exc_info=error)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "1"}}
    return _told(request, status, body, headers.get(status), error)


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # Starlette's types know no better
    wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return await _answer(request, BadRequest(f"{wrong}."))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    text = f"{request.method} {request.scope['path'][:200]}: {error.detail}. `GET /v1/models` tells what can be asked."
    return _told(request, error.status_code, plain_wire(error.status_code, text), error.headers)


async def _answer_nobody(_: Request, error: Exception) -> Response:
    return Response(status_code=499)


def _told(
    request: Request, status: int, body: dict[str, str], headers: object, error: Exception | None = None
) -> Response:
    service: Service = request.app.state.service
    service.metrics.failed(body["code"])
    told = envelope(status, body, error) if request.scope["path"] == openai.PATH else body
    return JSONResponse(told, status, headers=headers)  # type: ignore[arg-type]
