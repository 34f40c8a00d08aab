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

import onnxruntime

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
    """A trunk with a head on it, ready to run from many threads at once.

    Shapes: trunk, a batch of n -> float32 [n,d]; head float32 [n,d] -> float32 [n,k], and one more column where it
    tells novelty. Without a head the features are all that it answers.
    """

    trunk: Callable[[BatchArrays], Float32Array]
    head: Callable[[Float32Array], Float32Array] | None
    device: str = "CPU"  # that the trunk runs on


class Engine(Protocol):
    """Whatever can run bundles. `open` is called from one thread at a time."""

    def open(self, bundle: Bundle) -> LoadedGraphs:
        """Make a verified bundle runnable.

        Raises:
            BundleError: its files do not run here.
        """


class OnnxEngine:
    """Runs bundles in ONNX Runtime, one thread a run; trunks on `device`, the small heads always on the CPU."""

    def __init__(self, device: Device = "cpu") -> None:
        """Run trunks on `device`.

        Raises:
            DeviceMissing: it is not here.
        """
        require_available_device(device)
        self._device = device
        # Weak: a trunk leaves the memory with the last model that is grafted on it.
        self._trunks: WeakValueDictionary[str, OnnxGraph] = WeakValueDictionary()

    def open(self, bundle: Bundle) -> LoadedGraphs:
        """Open head and trunk; the trunk only if no model in memory has the same one.

        Raises:
            BundleBroken: ONNX Runtime refuses a file, or finds another signature than the manifest's.
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
    """One ONNX file; the outputs that are asked for are columns of what it answers."""

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
        """Run the graph once on one thread: a batch of n -> float32 [n,…]."""
        return concat_outputs(self._session.run(self._output_names, dict(arrays)))


def _check_names(path: Path, expected: set[str], actual: set[str], what: str) -> None:
    if expected != actual:
        raise BundleBroken(
            f"{path} has the {what} {', '.join(sorted(actual)) or 'none'}, its manifest tells of "
            f"{', '.join(sorted(expected))}. Publish the model again."
        )


def _check_tensor(path: Path, expected: TensorSpec, actual: onnxruntime.NodeArg) -> None:
    """Hold a tensor of the manifest against the one that ONNX Runtime found; axes that vary fit any number."""
    fits = len(expected.shape) == len(actual.shape) and all(
        not isinstance(there, int) or there == here
        for here, there in zip(expected.shape[1:], actual.shape[1:], strict=True)
    )
    if expected.name != actual.name or expected.dtype != _DTYPE_BY_ONNX_TYPE.get(actual.type) or not fits:
        raise BundleBroken(
            f"{path} has {actual.name} {actual.type} {actual.shape}, its manifest tells of {expected.name} {expected.dtype} "
            f"{list(expected.shape)}. Publish the model again."
        )


class InputCache:
    """Opens inputs as `graft.inputs.open_input.open_input` does. Called from one thread at a time."""

    def __init__(self) -> None:
        # Weak: a tokenizer leaves the memory with the last model that has it.
        self._text_inputs: WeakValueDictionary[str, TextInput] = WeakValueDictionary()

    def __call__(self, spec: Mapping[str, Any], tokenizer_json: bytes | None) -> Input:
        """Return the input that a spec describes, the one that is open already if there is one.

        Raises:
            BundleBroken: `tokenizer_json` is not the file that the spec names.
            BundleUnsupported: this Graft cannot do exactly that.
        """
        key_spec = {name: value for name, value in spec.items() if name != "decoder_version"}
        key = json.dumps([key_spec, hashlib.sha256(tokenizer_json or b"").hexdigest()], sort_keys=True)
        if shared_input := self._text_inputs.get(key):
            return shared_input
        new_input = open_input(spec, tokenizer_json)
        if isinstance(new_input, TextInput):
            self._text_inputs[key] = new_input
        return new_input
