"""The FastAPI application: wires routes, API key, error handlers and the service; watches the repository."""

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

from graft import __version__
from graft.errors import BadRequest, GraftError
from graft.runtime.cpu_threads import available_cores
from service.auth import protect_endpoint, require_api_key
from service.http_errors import error_to_response, http_error_body
from service.inference.service import Service
from service.limits.admission import RETRY_HEADERS
from service.models.engine import Engine, OnnxEngine
from service.routes import admin, health, native, openai
from service.routes.fast_routes import FastRouteApp
from service.routes.open_inference import route
from service.routes.openai import openai_error_body
from service.settings import Settings

log = logging.getLogger("graft")


def create_app(settings: Settings, engine: Engine | None = None) -> FastAPI:
    """Return the application that serves the repository `settings.models`, by default with ONNX Runtime."""
    app = FastRouteApp(title="Graft", version=__version__, lifespan=_lifespan, openapi_url=None, redirect_slashes=False)
    app.state.service = Service(settings, engine or OnnxEngine(settings.device))
    for path, endpoint in (
        native.NATIVE_POST_ROUTES
        | route.OPEN_INFERENCE_POST_ROUTES
        | openai.OPENAI_POST_ROUTES
        | admin.REPOSITORY_POST_ROUTES
    ).items():
        app.add_fast_route(path, protect_endpoint(endpoint, settings.api_key))
    for router in (native.router, admin.metrics_router):
        app.include_router(router, dependencies=[Depends(require_api_key)])
    app.include_router(health.health_router)
    app.add_exception_handler(GraftError, _handle_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_error)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    app.add_exception_handler(Exception, _handle_error)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Watch the repository while the server runs; it answers health checks while models are being loaded."""
    service: Service = app.state.service
    watch = asyncio.create_task(_watch_repository(service))
    try:
        yield
    finally:
        service.stopping = True
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        service.workers.close()


async def _watch_repository(service: Service) -> None:
    """Scan the repository every `poll` seconds; an error never ends that."""
    last_error, is_announced = "", False
    while True:
        try:
            await service.refresh()
            last_error = ""
        except Exception as fault:
            if str(fault) != last_error:  # once, not every second
                last_error = str(fault)
                is_os_error = isinstance(fault, OSError)
                log.warning("the models folder cannot be read (%s); retrying", fault, exc_info=not is_os_error)
        if service.models.is_scanned and not is_announced:
            is_announced = True
            log.info(_describe_threads(service))
            log.info(_describe_readiness(service))
        await asyncio.sleep(service.settings.poll)


def _describe_threads(service: Service) -> str:
    return (
        f"one process on {available_cores()} cores with {service.workers.thread_count} worker threads, one for each run"
    )


def _describe_readiness(service: Service) -> str:
    settings = service.settings
    models = service.models.newest_models()
    if not models:
        return f"waiting at {settings.url}: no model in {settings.models} yet; `finetune DATA` makes one"
    model = models[0]
    key = ' -H "Authorization: Bearer $GRAFT_API_KEY"' if settings.api_key else ""
    verb = "predict" if model.graphs.head else "embed"
    return f"ready: curl {model.input_kind.curl_arguments}{key} {settings.url}/v1/models/{model.name}:{verb}"


async def _handle_error(request: Request, error: Exception) -> Response:
    status, body = error_to_response(error)
    if status == 500:
        log.error("failed: %s", error, exc_info=error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else RETRY_HEADERS.get(status)
    return _error_json_response(request, status, body, headers, error)


async def _handle_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # Starlette's types are wider
    messages = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return await _handle_error(request, BadRequest(f"{messages}."))


async def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    text = f"{request.method} {request.scope['path'][:200]}: {error.detail}. `GET /v1/models` lists the models."
    return _error_json_response(request, error.status_code, http_error_body(error.status_code, text), error.headers)


async def _handle_disconnect(_: Request, error: Exception) -> Response:
    return Response(status_code=499)


def _error_json_response(
    request: Request, status: int, body: dict[str, str], headers: object, error: Exception | None = None
) -> Response:
    service: Service = request.app.state.service
    service.metrics.count_error(body["code"])
    content = openai_error_body(status, body, error) if request.scope["path"] == openai.EMBEDDINGS_PATH else body
    return JSONResponse(content, status, headers=headers)  # type: ignore[arg-type]
