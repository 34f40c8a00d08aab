"""The answer to an infer request: JSON, and raw tensors behind it where they were asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from graft.types import Float32Array
from service.models.model import Model
from service.routes.open_inference.request import JSON_LENGTH_HEADER, InferRequest, OutputRequest
from service.routes.open_inference.tensors import DATATYPES

_MAX_INLINE_FLOATS: Final = 256  # floats that are text sooner than a thread would begin


def encode_response(
    request: InferRequest, model: Model, answers: Mapping[str, Float32Array]
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of the answer; `answers` are finite, float32 [n,…], by output."""
    facts = {"model_name": model.name, "model_version": str(model.version)}
    if request.id is not None:
        facts["id"] = request.id
    outputs = b", ".join(_encode_output(wanted, answers[wanted.name]) for wanted in request.outputs)
    text = json.dumps(facts).encode()[:-1] + b', "outputs": [' + outputs + b"]}"
    raw = [answers[wanted.name].astype("<f4", copy=False).tobytes() for wanted in request.outputs if wanted.is_raw]
    if not raw:
        return text, {"Content-Type": "application/json"}
    return b"".join([text, *raw]), {"Content-Type": "application/octet-stream", JSON_LENGTH_HEADER: str(len(text))}


def is_quick_to_encode(request: InferRequest, answers: Mapping[str, Float32Array]) -> bool:
    """Tell whether to write an answer at once, on the event loop."""
    return sum(answers[wanted.name].size for wanted in request.outputs if not wanted.is_raw) <= _MAX_INLINE_FLOATS


def _encode_output(wanted: OutputRequest, floats: Float32Array) -> bytes:
    """Write one output's JSON; without its numbers if they are wanted raw."""
    facts: dict[str, object] = {
        "name": wanted.name,
        "shape": list(floats.shape),
        "datatype": DATATYPES[floats.dtype.name],
    }
    if wanted.is_raw:
        return json.dumps(facts | {"parameters": {"binary_data_size": floats.nbytes}}).encode()
    # Row by row, for each is one call that lets no other thread run. As text NumPy has the fewest digits that say
    # the float32, half of what a double's are.
    numbers = b",".join(b",".join(row.astype("S").tolist()) for row in floats.reshape(len(floats), -1))
    return json.dumps(facts).encode()[:-1] + b', "data": [' + numbers + b"]}"
