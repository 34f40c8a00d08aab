"""Infer requests for the tiny models: inputs in JSON and raw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray
from starlette.testclient import TestClient

from service.routes.open_inference.request import JSON_LENGTH_HEADER
from tests.support.fakes import SIZE

PATH = "/v2/models/tiny/infer"
IMAGES = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
IDS = {
    "token_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0]], np.int32),
    "padding_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]], np.int32),
}
DATATYPES = {"uint8": "UINT8", "int32": "INT32", "float32": "FP32"}


def tensor(name: str, array: NDArray[Any], **other: Any) -> dict[str, Any]:
    """An input in JSON, flat."""
    facts = {"name": name, "shape": [*array.shape], "datatype": DATATYPES[array.dtype.name]}
    return facts | ({} if "parameters" in other else {"data": array.ravel().tolist()}) | other


def raw(name: str, array: NDArray[Any]) -> dict[str, Any]:
    """An input whose bytes come behind the JSON."""
    return tensor(name, array, parameters={"binary_data_size": array.nbytes})


def post(
    http: TestClient, facts: Mapping[str, Any], blobs: Sequence[NDArray[Any]] = (), path: str = PATH
) -> httpx2.Response:
    """Send JSON, with raw tensors behind it if there are `blobs`."""
    text = json.dumps(facts).encode()
    headers = {"Content-Type": "application/octet-stream", JSON_LENGTH_HEADER: str(len(text))} if blobs else {}
    return http.post(path, content=b"".join([text, *(blob.tobytes() for blob in blobs)]), headers=headers)
