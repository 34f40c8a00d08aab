"""config.pbtxt for NVIDIA Triton's model repository.

Source: Triton's model configuration, https://github.com/triton-inference-server/server/blob/main/docs/user_guide/
model_configuration.md, and model_repository.md beside it. Where inputs and outputs are listed, Triton completes nothing
(onnxruntime_backend, ModelState::AutoCompleteConfig), so batching stays off unless configured. Strings of protobuf's
text format are written as JSON strings: for printable ASCII, to which model names are limited, both are the same.
"""

from __future__ import annotations

import json
from typing import Final

from graft.bundle.manifest import Manifest
from graft.bundle.signature import TensorSpec

LABELS_FILE: Final = "labels.txt"
MAX_BATCH_SIZE: Final = 32
_DATA_TYPES: Final = {
    "uint8": "TYPE_UINT8",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float32": "TYPE_FP32",
}


def triton_config(manifest: Manifest) -> str:
    """Return config.pbtxt: batches up to MAX_BATCH_SIZE; requests are not delayed, as `dynamic_batching` is off."""
    facts = manifest.signature
    labels = LABELS_FILE if manifest.labels else None
    return "\n".join(
        [
            f"name: {json.dumps(manifest.name)}",
            'backend: "onnxruntime"',
            'platform: "onnxruntime_onnx"',
            'default_model_filename: "model.onnx"',
            f"max_batch_size: {MAX_BATCH_SIZE}",
            f"input {_render_list([_render_tensor(tensor) for tensor in facts.inputs])}",
            f"output {_render_list([_render_tensor(tensor, labels) for tensor in facts.outputs])}",
            "# Requests run as they arrive. To let Triton batch them, add: dynamic_batching { }",
            "",
        ]
    )


def _render_tensor(tensor: TensorSpec, labels: str | None = None) -> str:
    dims = tensor.shape[1:]
    lines = [
        f"name: {json.dumps(tensor.name)}",
        f"data_type: {_DATA_TYPES[tensor.dtype]}",
        f"dims: [ {', '.join(map(str, dims or (1,)))} ]",
    ]
    if not dims:  # one value per sample: Triton allows no empty dims, so the graph's shape is a reshape
        lines.append("reshape: { shape: [ ] }")
    if labels and tensor.name == "scores":
        lines.append(f"label_filename: {json.dumps(labels)}")
    return "  {\n" + "\n".join(f"    {line}" for line in lines) + "\n  }"


def _render_list(tensors: list[str]) -> str:
    return "[\n" + ",\n".join(tensors) + "\n]"
