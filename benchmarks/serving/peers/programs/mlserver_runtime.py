"""MLServer's custom runtime, as its documentation writes one: the request's first input, decoded by content type.

https://docs.seldon.ai/mlserver/user-guide/custom
"""

from __future__ import annotations

import numpy as np
import onnx_model
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Photos(MLModel):
    """An image -> an answer."""

    async def load(self) -> bool:
        """Open the model in the worker."""
        self.model = onnx_model.Classifier()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        asked = payload.inputs[0]
        if onnx_model.WORKLOAD == "jpeg":
            pixels = onnx_model.decode(Base64Codec.decode_input(asked)[0])[None]
        else:
            pixels = NumpyCodec.decode_input(asked)
        answer = self.model.images_of(pixels)[0]
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                StringCodec.encode_output("label", [answer["label"]]),
                NumpyCodec.encode_output("probability", np.array([[answer["probability"]]], np.float32)),
            ],
        )
