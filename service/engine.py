"""Engine: bundle -> something that runs. One trunk in memory for all the models grafted on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zoo.bundle import Bundle
from zoo.errors import BundleBroken, TrunkError
from zoo.golden import Floats
from zoo.signature import Tensor
from zoo.trunk import open_session

_DTYPES: Final[Mapping[str, str]] = {
    "tensor(uint8)": "uint8",
    "tensor(int64)": "int64",
    "tensor(float)": "float32",
}


@dataclass(frozen=True, slots=True)
class Grafted:
    """A trunk with a head on it, ready to run from many threads at once.

    Shapes: trunk uint8 [n,s,s,3] -> float32 [n,d]; head float32 [n,d] -> float32 [n,k].
    """

    trunk: Callable[[NDArray[np.uint8]], Floats]
    head: Callable[[Floats], Floats]


class Engine(Protocol):
    """Whatever can run bundles. `open` is called from one thread at a time."""

    def open(self, bundle: Bundle) -> Grafted:
        """Make a verified bundle runnable.

        Raises:
            BundleError: its files do not run here.
        """


class OnnxEngine:
    """Runs bundles in ONNX Runtime, one thread a run."""

    def __init__(self) -> None:
        # Weak: a trunk leaves the memory with the last model that is grafted on it.
        self._trunks: WeakValueDictionary[str, Graph] = WeakValueDictionary()

    def open(self, bundle: Bundle) -> Grafted:
        """Open head and trunk; the trunk only if no model in memory has the same one.

        Raises:
            BundleBroken: ONNX Runtime refuses a file, or finds another signature than the manifest's.
        """
        manifest, layout = bundle.manifest, bundle.layout
        features, scores = manifest.signature.outputs[:2]
        trunk = self._trunks.get(manifest.trunk_sha256)
        if trunk is None:
            trunk = Graph(layout.trunk, manifest.signature.inputs[0], features)
            self._trunks[manifest.trunk_sha256] = trunk
        return Grafted(trunk, Graph(layout.head, features, scores))


class Graph:
    """One ONNX file of one input, of which one output is asked for."""

    def __init__(self, path: Path, takes: Tensor, gives: Tensor) -> None:
        try:
            self._session = open_session(path)
        except TrunkError as fault:
            raise BundleBroken(f"{fault} Publish the model again.") from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1:
            raise BundleBroken(f"{path} has {len(inputs)} inputs; the manifest tells of one. Publish the model again.")
        _compare(path, takes, inputs[0])
        by_name = {output.name: output for output in outputs}
        if gives.name not in by_name:
            raise BundleBroken(f"{path} gives no {gives.name!r} but {', '.join(by_name)}. Publish the model again.")
        _compare(path, gives, by_name[gives.name])
        self._takes, self._gives = takes.name, gives.name

    def __call__(self, array: NDArray[Any]) -> Floats:
        """Run the graph once on one thread: [n,…] -> float32 [n,…]."""
        answer: Floats = self._session.run([self._gives], {self._takes: array})[0]
        return answer


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
