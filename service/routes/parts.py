"""What the routes ask for by type: the service, and the model that the path names."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from service.core import Service
from service.model import Model


async def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


ServiceDep = Annotated[Service, Depends(_service)]


async def _model(request: Request, service: ServiceDep) -> Model:
    return service.models.get(request.path_params["name"], request.path_params.get("version"))


ModelDep = Annotated[Model, Depends(_model)]
