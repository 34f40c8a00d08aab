"""mosec as its image examples start it: three stages in processes of their own, msgpack in and out, batches of 16.

https://mosecorg.github.io/mosec/examples/pytorch.html
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_model
from mosec import Server, Worker
from mosec.mixin import MsgpackMixin

BATCH = 16


class JsonPreprocess(Worker):
    """A nested list -> uint8 [224,224,3]."""

    def forward(self, data: dict[str, Any]) -> np.ndarray:
        """Take one request."""
        return np.array(data["image"], np.uint8)[0]


class Preprocess(MsgpackMixin, Worker):
    """JPEG bytes -> uint8 [224,224,3]."""

    def forward(self, data: dict[str, Any]) -> np.ndarray:
        """Take one request."""
        return onnx_model.decode(data["image"])


class BinaryPreprocess(MsgpackMixin, Worker):
    """Raw bytes -> uint8 [224,224,3]."""

    def forward(self, data: dict[str, Any]) -> np.ndarray:
        """Take one request."""
        return np.frombuffer(data["image"], np.uint8).reshape(224, 224, 3)


class TextPreprocess(Worker):
    """UTF-8 -> token ids."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = onnx_model.Tokens(onnx_model.Classifier().spec)

    def deserialize(self, data: bytearray) -> str:
        """Read the body."""
        return data.decode()

    def forward(self, data: str) -> dict[str, np.ndarray]:
        """Take one request."""
        return self.tokens([data])


class TextInference(Worker):
    """Token ids of a batch of texts -> answers."""

    def __init__(self) -> None:
        super().__init__()
        self.model = onnx_model.Classifier()

    def forward(self, data: list[dict[str, np.ndarray]]) -> list[dict[str, Any]]:
        """Answer a batch, padded to its longest text."""
        longest = max(arrays["token_ids"].shape[1] for arrays in data)
        rows = {
            name: [np.pad(arrays[name][0], (0, longest - arrays[name].shape[1])) for arrays in data] for name in data[0]
        }
        return self.model.answers({name: np.stack(row) for name, row in rows.items()})


class Inference(Worker):
    """A batch of images -> answers."""

    def __init__(self) -> None:
        super().__init__()
        self.model = onnx_model.Classifier()
        self.example = [np.zeros((224, 224, 3), np.uint8)] * BATCH  # mosec warms up with it

    def forward(self, data: list[np.ndarray]) -> list[dict[str, Any]]:
        """Answer a batch."""
        return self.model.images_of(np.stack(data))


class Postprocess(MsgpackMixin, Worker):
    """Answers leave as msgpack."""

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        """Give one answer."""
        return data


class JsonPostprocess(Worker):
    """Answers leave as JSON."""

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        """Give one answer."""
        return data


STAGES = {
    "jpeg": (Preprocess, Inference, Postprocess),
    "json_tensor": (JsonPreprocess, Inference, JsonPostprocess),
    "binary_tensor": (BinaryPreprocess, Inference, Postprocess),
    "text": (TextPreprocess, TextInference, JsonPostprocess),
}

if __name__ == "__main__":
    before, inference, after = STAGES[onnx_model.WORKLOAD]
    server = Server()
    server.append_worker(before, num=4)
    server.append_worker(inference, num=2, max_batch_size=BATCH)
    server.append_worker(after)
    server.run()
