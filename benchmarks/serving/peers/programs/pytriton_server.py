"""PyTriton as its documentation binds a model: `@batch`, named tensors, JPEGs as bytes.

https://triton-inference-server.github.io/pytriton/latest/binding_models/

WORKERS is the number of instances of the inference callable (a list of them, as the documentation's
multi-instance page shows), BATCH the most that Triton's dynamic batcher may put together.
"""

from __future__ import annotations

import os
import socket

import numpy as np
import onnx_model
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from tritonclient.utils import InferenceServerException

BATCH = int(os.environ.get("BATCH", "16"))
ATTEMPTS = 3  # several instances sometimes miss each other while they start
JPEG = onnx_model.WORKLOAD == "jpeg"


class Infer:
    """A batch of images -> labels and probabilities."""

    def __init__(self) -> None:
        self.model = onnx_model.Classifier()

    @batch
    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Answer bytes [n,1] or uint8 [n,224,224,3]."""
        pixels = np.stack([onnx_model.decode(file) for (file,) in image]) if JPEG else image
        answers = self.model.images_of(pixels)
        return {
            "label": np.char.encode([[answer["label"]] for answer in answers]),
            "probability": np.array([[answer["probability"]] for answer in answers], np.float32),
        }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def serve() -> None:
    """Serve until the end."""
    config = TritonConfig(
        http_address="127.0.0.1",
        grpc_address="127.0.0.1",
        http_port=onnx_model.PORT,
        grpc_port=free_port(),
        metrics_port=free_port(),
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="photos",
            infer_func=[Infer() for _ in range(onnx_model.WORKERS or 1)],
            inputs=[
                Tensor(name="image", dtype=np.bytes_, shape=(1,))
                if JPEG
                else Tensor(name="image", dtype=np.uint8, shape=(224, 224, 3))
            ],
            outputs=[
                Tensor(name="label", dtype=np.bytes_, shape=(1,)),
                Tensor(name="probability", dtype=np.float32, shape=(1,)),
            ],
            config=ModelConfig(max_batch_size=BATCH),
        )
        triton.serve()


if __name__ == "__main__":
    for left in reversed(range(ATTEMPTS)):
        try:
            serve()
            break
        except InferenceServerException:
            if not left:
                raise
