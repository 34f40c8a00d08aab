"""mosec by hand: one stage, so that nothing is copied between processes; raw bodies; orjson.

Batches for short texts only, where they pay: on a CPU images are faster one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_model
import orjson
from mosec import Server, Worker


class Jpeg(Worker):
    """An image file -> an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.model = onnx_model.Classifier()

    def deserialize(self, data: bytearray) -> bytearray:
        """Leave the body as it came."""
        return data

    def forward(self, data: bytearray) -> dict[str, Any]:
        """Answer one request."""
        return self.model.images_of(onnx_model.decode(data)[None])[0]

    def serialize(self, data: dict[str, Any]) -> bytes:
        """Write the answer."""
        return orjson.dumps(data)


class JsonTensor(Jpeg):
    """A flat list of 0 to 255 -> an answer."""

    def forward(self, data: bytearray) -> dict[str, Any]:
        """Answer one request; `bytes` takes a list of small integers much faster than NumPy does."""
        values = bytes(orjson.loads(data)["image"])
        return self.model.images_of(np.frombuffer(values, np.uint8).reshape(-1, 224, 224, 3))[0]


class BinaryTensor(Jpeg):
    """Raw bytes -> an answer."""

    def forward(self, data: bytearray) -> dict[str, Any]:
        """Answer one request."""
        return self.model.images_of(np.frombuffer(data, np.uint8).reshape(-1, 224, 224, 3))[0]


class Text(Jpeg):
    """A text -> an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = onnx_model.Tokens(self.model.spec)

    def forward(self, data: list[bytearray]) -> list[dict[str, Any]]:
        """Answer a batch."""
        return self.model.answers(self.tokens([one.decode() for one in data]))


STAGE = {"jpeg": Jpeg, "json_tensor": JsonTensor, "binary_tensor": BinaryTensor, "text": Text}
BATCH = {"text": 16}

if __name__ == "__main__":
    server = Server()
    server.append_worker(
        STAGE[onnx_model.WORKLOAD],
        num=onnx_model.WORKERS,
        max_batch_size=BATCH.get(onnx_model.WORKLOAD, 1),
        max_wait_time=1,  # milliseconds
    )
    server.run()
