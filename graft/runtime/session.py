from __future__ import annotations

from pathlib import Path

import onnxruntime

from graft.errors import TrunkError
from graft.runtime.device import Device, execution_providers, require_device


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
