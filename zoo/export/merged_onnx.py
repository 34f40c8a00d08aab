"""Merge trunk and head into one ONNX file: the trunk's inputs -> features, scores and novelty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import onnx
from onnx import compose, helper

from graft.bundle.open_bundle import Bundle
from graft.errors import BundleUnsupported
from graft.inputs.open_input import BatchArrays
from graft.runtime.session import open_session
from graft.types import Float32Array
from zoo.export.proof import ExportRunner

_HEAD_PREFIX: Final = "head_"


def merge_trunk_and_head(bundle: Bundle) -> bytes:
    """Return the bytes of one ONNX file with the bundle's signature, at the trunk's opset; deterministic.

    Labels and other facts for the caller are in its metadata, each value as JSON.

    Raises:
        BundleUnsupported: the head has another opset than the trunk.
    """
    trunk = onnx.load(bundle.layout.trunk, load_external_data=False)
    model = trunk if len(bundle.manifest.signature.outputs) == 1 else _append_head(bundle, trunk)
    helper.set_model_props(model, onnx_metadata(bundle))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def onnx_metadata(bundle: Bundle) -> dict[str, str]:
    """Return the file's metadata: name -> value as JSON."""
    manifest = bundle.manifest
    facts = {
        "name": manifest.name,
        "version": manifest.version,
        "task": manifest.task,
        "labels": manifest.labels,
        "input": manifest.input,
        "head": manifest.head,
        "license": manifest.backbone.get("license"),
        "trunk_sha256": manifest.trunk_sha256,
    }
    return {f"graft.{key}": json.dumps(fact, ensure_ascii=False) for key, fact in facts.items()}


def make_onnx_runner(data: bytes, bundle: Bundle) -> ExportRunner:
    """Return a function that runs the ONNX file in ONNX Runtime, on one core.

    Raises:
        TrunkError: ONNX Runtime cannot load it.
    """
    session = open_session(data)
    outputs = [tensor.name for tensor in bundle.manifest.signature.outputs]

    def run(arrays: BatchArrays) -> Mapping[str, Float32Array]:
        return dict(zip(outputs, session.run(outputs, dict(arrays)), strict=True))

    return run


def _append_head(bundle: Bundle, trunk: onnx.ModelProto) -> onnx.ModelProto:
    head = onnx.load(bundle.layout.head, load_external_data=False)
    features, *head_outputs = (tensor.name for tensor in bundle.manifest.signature.outputs)
    prefixed_head = compose.add_prefix(head, _HEAD_PREFIX, rename_inputs=False, rename_outputs=False)
    # compose refuses duplicate names, and `features` is the trunk's output and the head's input.
    for node in prefixed_head.graph.node:
        node.input[:] = [_HEAD_PREFIX + features if name == features else name for name in node.input]
    prefixed_head.graph.input[0].name = _HEAD_PREFIX + features
    try:
        model = compose.merge_models(
            trunk,
            prefixed_head,
            [(features, _HEAD_PREFIX + features)],
            outputs=[features, *head_outputs],
            name=bundle.manifest.name,
        )
    except ValueError as fault:
        raise BundleUnsupported(
            f"{bundle.layout.root}: trunk and head cannot be merged ({fault}). Fine-tune the model again."
        ) from None
    opsets = {entry.domain: entry for entry in model.opset_import}  # compose lists both models' opsets
    del model.opset_import[:]
    model.opset_import.extend(opsets.values())
    model.producer_name = "graft"
    return model
