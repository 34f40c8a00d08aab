"""Engine: bundle -> something that runs. One trunk in memory for all the models grafted on it.

Inputs opened once: all the models with one tokenizer share it in memory, as they share a trunk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from graft.bundle.head_runner import concat_outputs
from graft.bundle.open_bundle import Bundle
from graft.bundle.signature import TensorSpec
from graft.errors import BundleBroken, TrunkError
from graft.inputs.open_input import BatchArrays, Input, open_input
from graft.inputs.text import TextInput
from graft.runtime.device import Device
from graft.runtime.session import open_session, require_available_device
from graft.types import Float32Array

_DTYPE_BY_ONNX_TYPE: Final[Mapping[str, str]] = {
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(float)": "float32",
}


@dataclass(frozen=True, slots=True)
class LoadedGraphs:
    """A trunk and a head, ready to run from many threads at once.

    Shapes: trunk, a batch of n -> float32 [n,d]; head, float32 [n,d] -> float32 [n,k], or [n,k+1] with the novelty in
    the last column. A model without a head has features only.
    """

    trunk: Callable[[BatchArrays], Float32Array]
    head: Callable[[Float32Array], Float32Array] | None
    device: str = "CPU"  # the trunk's


class GraphTensor(Protocol):
    """An input or output of a session: ONNX Runtime's `NodeArg`."""

    name: str
    type: str  # such as "tensor(float)"
    shape: Sequence[int | str | None]  # variable axes are no numbers


class Engine(Protocol):
    """What runs bundles. `open` is called from one thread at a time."""

    def open(self, bundle: Bundle) -> LoadedGraphs:
        """Load the graphs of a verified bundle.

        Raises:
            BundleError: its files cannot be loaded here.
        """


class OnnxEngine:
    """ONNX Runtime, one thread a run: trunks on `device`, the small heads always on the CPU."""

    def __init__(self, device: Device = "cpu") -> None:
        """Run trunks on `device`.

        Raises:
            DeviceMissing: this machine or this ONNX Runtime does not have it.
        """
        require_available_device(device)
        self._device = device
        # Weak: a trunk is freed with the last model that uses it.
        self._trunks: WeakValueDictionary[str, OnnxGraph] = WeakValueDictionary()

    def open(self, bundle: Bundle) -> LoadedGraphs:
        """Load head and trunk; the trunk only if no model in memory has the same one.

        Raises:
            BundleBroken: ONNX Runtime refuses a file, or its signature is not the manifest's.
        """
        manifest, layout = bundle.manifest, bundle.layout
        features, *scores = manifest.signature.outputs
        trunk = self._trunks.get(manifest.trunk_sha256)
        if trunk is None:
            trunk = OnnxGraph(layout.trunk, manifest.signature.inputs, (features,), self._device)
            self._trunks[manifest.trunk_sha256] = trunk
        if not scores:
            return LoadedGraphs(trunk, None, trunk.device)
        head = OnnxGraph(layout.head, (features,), scores)
        return LoadedGraphs(trunk, lambda rows: head({features.name: rows}), trunk.device)


class OnnxGraph:
    """One ONNX file; its outputs are the columns of one array."""

    def __init__(
        self,
        path: Path,
        input_tensors: Sequence[TensorSpec],
        output_tensors: Sequence[TensorSpec],
        device: Device = "cpu",
    ) -> None:
        try:
            self._session = open_session(path, device)
        except TrunkError as fault:
            raise BundleBroken(f"{fault} Publish the model again.") from None
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        _check_names(path, {tensor.name for tensor in input_tensors}, set(inputs), "inputs")
        self._output_names = [tensor.name for tensor in output_tensors]
        _check_names(path, set(self._output_names), set(self._output_names) & set(outputs), "outputs")
        for expected in input_tensors:
            _check_tensor(path, expected, inputs[expected.name])
        for expected in output_tensors:
            _check_tensor(path, expected, outputs[expected.name])
        self.device = self._session.get_providers()[0].removesuffix("ExecutionProvider")

    def __call__(self, arrays: BatchArrays) -> Float32Array:
        """Run the graph once, on one thread: a batch of n -> float32 [n,…]."""
        outputs: Sequence[Float32Array] = self._session.run(self._output_names, dict(arrays))
        return outputs[0] if len(outputs) == 1 else concat_outputs(outputs)


def _check_names(path: Path, expected: set[str], actual: set[str], what: str) -> None:
    if expected != actual:
        raise BundleBroken(
            f"{path} has the {what} {', '.join(sorted(actual)) or 'none'}, but its manifest says "
            f"{', '.join(sorted(expected))}. Publish the model again."
        )


def _check_tensor(path: Path, expected: TensorSpec, actual: GraphTensor) -> None:
    """Check a tensor of the graph against the manifest; variable axes fit any size."""
    fits = len(expected.shape) == len(actual.shape) and all(
        not isinstance(actual_size, int) or actual_size == size
        for size, actual_size in zip(expected.shape[1:], actual.shape[1:], strict=True)
    )
    if expected.name != actual.name or expected.dtype != _DTYPE_BY_ONNX_TYPE.get(actual.type) or not fits:
        raise BundleBroken(
            f"{path} has {actual.name} {actual.type} {actual.shape}, but its manifest says {expected.name} "
            f"{expected.dtype} {list(expected.shape)}. Publish the model again."
        )


class InputCache:
    """Opens inputs, those with the same tokenizer once: models share it in memory. Called from one thread at a time."""

    def __init__(self) -> None:
        # Weak: a tokenizer is freed with the last model that uses it.
        self._text_inputs: WeakValueDictionary[str, TextInput] = WeakValueDictionary()

    def __call__(self, spec: Mapping[str, Any], tokenizer_json: bytes | None) -> Input:
        """Return the input that a spec describes; the open one if a model in memory has the same.

        Raises:
            BundleBroken: `tokenizer_json` is not the file that the spec names.
            BundleUnsupported: this version of Graft cannot do exactly what the spec says.
        """
        key_spec = {name: value for name, value in spec.items() if name != "decoder_version"}
        key = json.dumps([key_spec, hashlib.sha256(tokenizer_json or b"").hexdigest()], sort_keys=True)
        if shared_input := self._text_inputs.get(key):
            return shared_input
        new_input = open_input(spec, tokenizer_json)
        if isinstance(new_input, TextInput):
            self._text_inputs[key] = new_input
        return new_input
