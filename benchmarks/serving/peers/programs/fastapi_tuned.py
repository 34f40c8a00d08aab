"""FastAPI + ONNX Runtime by hand: raw bodies, orjson, one process whose thread pool has one thread a core.

Not two processes that share a socket (`--workers 2`): all connections may go to one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx_model
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI(openapi_url=None)
model = onnx_model.Classifier()
tokens = onnx_model.Tokens(model.spec) if onnx_model.WORKLOAD == "text" else None
pool = ThreadPoolExecutor(onnx_model.WORKERS)


def jpeg(body: bytes) -> dict[str, Any]:
    return model.images_of(onnx_model.decode(body)[None])[0]


def json_tensor(body: bytes) -> dict[str, Any]:
    values = bytes(orjson.loads(body)["image"])  # much faster than NumPy on a list of small integers
    return model.images_of(np.frombuffer(values, np.uint8).reshape(-1, 224, 224, 3))[0]


def binary_tensor(body: bytes) -> dict[str, Any]:
    return model.images_of(np.frombuffer(body, np.uint8).reshape(-1, 224, 224, 3))[0]


def text(body: bytes) -> dict[str, Any]:
    return model.answers(tokens([body.decode()]))[0]


ANSWER: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "jpeg": jpeg,
    "json_tensor": json_tensor,
    "binary_tensor": binary_tensor,
    "text": text,
}
answer = ANSWER[onnx_model.WORKLOAD]


@app.post(f"/{onnx_model.WORKLOAD}")
async def predict(request: Request) -> Response:
    body = await request.body()
    found = await asyncio.get_running_loop().run_in_executor(pool, lambda: orjson.dumps(answer(body)))
    return Response(found, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=onnx_model.PORT, loop="uvloop", http="httptools", access_log=False, log_level="warning")
