"""BentoML by hand: raw bodies through its ASGI mount, orjson, one worker process with one thread a core."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import bentoml
import numpy as np
import onnx_model
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

model = onnx_model.Classifier()
pool = ThreadPoolExecutor(onnx_model.WORKERS)


def pixels_of(body: bytes) -> np.ndarray:
    """Return uint8 [1,224,224,3]; `bytes` takes a list of small integers much faster than NumPy does."""
    if onnx_model.WORKLOAD == "jpeg":
        return onnx_model.decode(body)[None]
    values = bytes(orjson.loads(body)["image"]) if onnx_model.WORKLOAD == "json_tensor" else body
    return np.frombuffer(values, np.uint8).reshape(-1, 224, 224, 3)


def answer(body: bytes) -> bytes:
    """Answer one request."""
    return orjson.dumps(model.images_of(pixels_of(body))[0])


async def predict(request: Request) -> Response:
    """Leave the work to a thread."""
    body = await request.body()
    found = await asyncio.get_running_loop().run_in_executor(pool, answer, body)
    return Response(found, media_type="application/json")


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
@bentoml.asgi_app(Starlette(routes=[Route("/predict", predict, methods=["POST"])]))
class Photos:
    """A body -> an answer."""
