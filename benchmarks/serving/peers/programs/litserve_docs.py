"""LitServe as its guide and its image examples write it: one `LitAPI`, `LitServer(api)`, an uploaded file.

https://lightning.ai/docs/litserve/get-started
"""

from typing import Any

import litserve
import numpy as np
import onnx_model
from fastapi import UploadFile


class Tensors(litserve.LitAPI):
    """Nested lists -> an answer."""

    def setup(self, device: str) -> None:
        """Open the model in the worker."""
        self.model = onnx_model.Classifier()

    def decode_request(self, request):  # noqa: ANN001, ANN201  # LitServe reads the annotation
        """Return uint8 [1,224,224,3]."""
        return np.array(request["image"], np.uint8)

    def predict(self, pixels: np.ndarray) -> dict[str, Any]:
        """Answer one request."""
        return self.model.images_of(pixels)[0]

    def encode_response(self, output):  # noqa: ANN001, ANN201  # LitServe reads the annotation
        """Return what is written as JSON."""
        return output


class Photos(Tensors):
    """An uploaded file -> an answer."""

    def decode_request(self, request: UploadFile) -> np.ndarray:
        """Return uint8 [1,224,224,3]."""
        return onnx_model.decode(request.file)[None]


if __name__ == "__main__":
    api = Photos() if onnx_model.WORKLOAD == "jpeg" else Tensors()
    litserve.LitServer(api).run(host="127.0.0.1", port=onnx_model.PORT)
