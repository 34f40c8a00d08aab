"""BentoML as its documentation writes a service: typed inputs, `bentoml serve`.

https://docs.bentoml.com/en/latest/build-with-bentoml/iotypes.html
"""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
import onnx_model
from PIL.Image import Image


@bentoml.service
class Photos:
    """An image -> an answer."""

    def __init__(self) -> None:
        self.model = onnx_model.Classifier()

    @bentoml.api
    def jpeg(self, image: Image) -> dict[str, Any]:
        """Answer for an uploaded file."""
        return self.model.images_of(onnx_model.fit(image)[None])[0]

    @bentoml.api
    def json_tensor(self, image: np.ndarray) -> dict[str, Any]:
        """Answer for nested lists."""
        return self.model.images_of(image.astype(np.uint8))[0]
