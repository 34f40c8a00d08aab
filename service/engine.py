"""Engine: bundle -> something that runs. One trunk in memory for all the models grafted on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakValueDictionary

import onnxruntime

from zoo.bundle import Bundle
from zoo.columns import together
from zoo.device import Device
from zoo.errors import BundleBroken, TrunkError
from zoo.golden import Floats
from zoo.inputs import Arrays
from zoo.signature import Tensor
from zoo.trunk import check_device_here, open_session

_DTYPES: Final[Mapping[str, str]] = {
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(float)": "float32",
}


@dataclass(frozen=True, slots=True)
class Grafted:
    """A trunk with a head on it, ready to run from many threads at once.

    Shapes: trunk, a batch of n -> float32 [n,d]; head float32 [n,d] -> float32 [n,k], and one more column where it
    tells novelty. Without a head the features are all that it answers.
    """

    trunk: Callable[[Arrays], Floats]
    head: Callable[[Floats], Floats] | None
    device: str = "CPU"  # that the trunk runs on


class Engine(Protocol):
    """Whatever can run bundles. `open` is called from one thread at a time."""

    def open(self, bundle: Bundle) -> Grafted:
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
        check_device_here(device)
        self._device = device
        # Weak: a trunk leaves the memory with the last model that is grafted on it.
        self._trunks: WeakValueDictionary[str, Graph] = WeakValueDictionary()

    def open(self, bundle: Bundle) -> Grafted:
        """Open head and trunk; the trunk only if no model in memory has the same one.

        Raises:
            BundleBroken: ONNX Runtime refuses a file, or finds another signature than the manifest's.
        """
        manifest, layout = bundle.manifest, bundle.layout
        features, *scores = manifest.signature.outputs
        trunk = self._trunks.get(manifest.trunk_sha256)
        if trunk is None:
            trunk = Graph(layout.trunk, manifest.signature.inputs, (features,), self._device)
            self._trunks[manifest.trunk_sha256] = trunk
        if not scores:
            return Grafted(trunk, None, trunk.device)
        head = Graph(layout.head, (features,), scores)
        return Grafted(trunk, lambda rows: head({features.name: rows}), trunk.device)


class Graph:
    """One ONNX file; the outputs that are asked for are columns of what it answers."""

    def __init__(self, path: Path, takes: Sequence[Tensor], gives: Sequence[Tensor], device: Device = "cpu") -> None:
        try:
            self._session = open_session(path, device)
        except TrunkError as fault:
            raise BundleBroken(f"{fault} Publish the model again.") from None
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        _check_names(path, {tensor.name for tensor in takes}, set(inputs), "inputs")
        self._gives = [tensor.name for tensor in gives]
        _check_names(path, set(self._gives), set(self._gives) & set(outputs), "outputs")
        for told in takes:
            _compare(path, told, inputs[told.name])
        for told in gives:
            _compare(path, told, outputs[told.name])
        self.device = self._session.get_providers()[0].removesuffix("ExecutionProvider")

    def __call__(self, arrays: Arrays) -> Floats:
        """Run the graph once on one thread: a batch of n -> float32 [n,…]."""
        return together(self._session.run(self._gives, dict(arrays)))


def _check_names(path: Path, told: set[str], found: set[str], what: str) -> None:
    if told != found:
        raise BundleBroken(
            f"{path} has the {what} {', '.join(sorted(found)) or 'none'}, its manifest tells of "
            f"{', '.join(sorted(told))}. Publish the model again."
        )


def _compare(path: Path, told: Tensor, found: onnxruntime.NodeArg) -> None:
    """Hold a tensor of the manifest against the one that ONNX Runtime found; axes that vary fit any number."""
    fits = len(told.shape) == len(found.shape) and all(
        not isinstance(there, int) or there == here for here, there in zip(told.shape[1:], found.shape[1:], strict=True)
    )
    if told.name != found.name or told.dtype != _DTYPES.get(found.type) or not fits:
        raise BundleBroken(
            f"{path} has {found.name} {found.type} {found.shape}, its manifest tells of {told.name} {told.dtype} "
            f"{list(told.shape)}. Publish the model again."
        )
