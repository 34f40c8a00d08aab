"""A backbone made runnable: arrays -> features, in ONNX Runtime. Built once per machine, cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zoo import trunk_cache
from zoo.backbone import Backbone, Precision
from zoo.device import Device, execution_providers, require_device
from zoo.errors import TrunkError
from zoo.inputs import BatchArrays, Input, open_input
from zoo.progress import Progress, SilentProgress
from zoo.signature import Signature


class Trunk:
    """A trunk that is ready to run; safe to call from many threads at once."""

    def __init__(self, path: Path, sha256: str, signature: Signature, inputs: Input, facts: dict[str, Any]) -> None:
        self.path, self.sha256, self.signature, self.inputs, self.facts = path, sha256, signature, inputs, facts
        self._session = open_session(path)

    def __call__(self, arrays: BatchArrays) -> NDArray[np.float32]:
        """Return the features [n,d] of a batch that `inputs` made; one thread of one core is used."""
        features: NDArray[np.float32] = self._session.run(None, dict(arrays))[0]
        return features

    @classmethod
    def from_backbone(cls, backbone: Backbone, precision: Precision, progress: Progress | None = None) -> Trunk:
        """Return the trunk of `backbone`, from the cache or built now by Keras in a process of its own.

        Raises:
            WeightsError: its weights could not be had.
            TrunkError: it could not be built; ParityError where ONNX Runtime did not repeat Keras.
            MissingExtra: it must be built, and the extra `train` is not installed.
        """
        found = trunk_cache.ensure_trunk(backbone, precision, progress or SilentProgress())
        inputs = open_input(found.facts["input"], found.read_tokenizer())
        return cls(
            found.path, found.facts["sha256"], Signature.from_dict(found.facts["signature"]), inputs, found.facts
        )


def open_session(model: Path | bytes, device: Device = "cpu") -> onnxruntime.InferenceSession:
    """Open an ONNX file for runs of one thread each; run as many at a time as there are cores.

    `device` "auto" takes CUDA where it is.

    Raises:
        DeviceMissing: CUDA is asked for, and is not here or does not start.
        TrunkError: ONNX Runtime refuses the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = execution_providers(device, onnxruntime.get_available_providers())
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as fault:  # ONNX Runtime's own exceptions share no base but this
        raise TrunkError(
            f"ONNX Runtime refuses {model if isinstance(model, Path) else 'the graph'} ({fault})."
        ) from None
    require_device(device, session.get_providers())  # a CUDA that does not start is silently left out
    return session


def require_available_device(device: Device) -> None:
    """Pass if this ONNX Runtime has a device.

    Raises:
        DeviceMissing: it has not.
    """
    require_device(device, onnxruntime.get_available_providers())
