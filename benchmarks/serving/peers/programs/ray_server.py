"""Ray Serve as its tutorials write a deployment: `__call__` with a Starlette request, `serve.run`.

https://docs.ray.io/en/latest/serve/tutorials/serve-ml-models.html

WORKERS is the number of replicas. By hand (WORKERS set) each takes one core, the body of JSON goes through
orjson, more requests may wait at a replica, and the access log is off.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx_model
import orjson
from starlette.requests import Request


class Photos:
    """A body -> an answer."""

    def __init__(self) -> None:
        self.model = onnx_model.Classifier()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answer one request."""
        return self.model.images_of(self.pixels_of(await request.body()))[0]

    def pixels_of(self, body: bytes) -> np.ndarray:
        """Return uint8 [1,224,224,3]."""
        if onnx_model.WORKLOAD == "jpeg":
            return onnx_model.decode(body)[None]
        if onnx_model.WORKLOAD == "json_tensor":
            return np.array(json.loads(body)["image"], np.uint8)
        return np.frombuffer(body, np.uint8).reshape(-1, 224, 224, 3)


class Tuned(Photos):
    """The same with a faster reader of JSON."""

    def pixels_of(self, body: bytes) -> np.ndarray:
        """Return uint8 [1,224,224,3]; `bytes` takes a list of small integers much faster than NumPy does."""
        if onnx_model.WORKLOAD == "json_tensor":
            body = bytes(orjson.loads(body)["image"])
            return np.frombuffer(body, np.uint8).reshape(-1, 224, 224, 3)
        return super().pixels_of(body)
