"""LitServe by hand: raw bodies, a worker a core, ZeroMQ for the answers, one HTTP server, no access log."""

from typing import Annotated, Any

import litserve
import numpy as np
import onnx_model
import orjson
from fastapi import Depends, Request


async def body_of(request: Request) -> bytes:
    """Return the body as it came: nothing is parsed in the process that all requests go through."""
    return await request.body()


def pixels_of(body: bytes) -> np.ndarray:
    """Return uint8 [1,224,224,3]; `bytes` takes a list of small integers much faster than NumPy does."""
    if onnx_model.WORKLOAD == "jpeg":
        return onnx_model.decode(body)[None]
    values = bytes(orjson.loads(body)["image"]) if onnx_model.WORKLOAD == "json_tensor" else body
    return np.frombuffer(values, np.uint8).reshape(-1, 224, 224, 3)


class Model(litserve.LitAPI):
    """A body -> an answer."""

    def setup(self, device: str) -> None:
        """Open the model in the worker."""
        self.model = onnx_model.Classifier()

    def decode_request(self, request: Annotated[bytes, Depends(body_of)]) -> np.ndarray:
        """Return uint8 [1,224,224,3]."""
        return pixels_of(request)

    def predict(self, pixels: np.ndarray) -> dict[str, Any]:
        """Answer one request."""
        return self.model.images_of(pixels)[0]

    def encode_response(self, output):  # noqa: ANN001, ANN201  # LitServe reads the annotation
        """Return what is written as JSON."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Model(),
        accelerator="cpu",
        workers_per_device=onnx_model.WORKERS,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=onnx_model.PORT,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
        loop="uvloop",
    )
