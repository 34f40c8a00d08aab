"""Open ONNX Runtime sessions on the CPU or on CUDA."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from graft.errors import TrunkError
from graft.runtime.device import Device, execution_providers, require_device


def open_session(model: Path | bytes, device: Device = "cpu") -> onnxruntime.InferenceSession:
    """Open an ONNX model in a session that uses one thread per run; call it from as many threads as there are cores.

    Args:
        model: the path of an ONNX file, or its bytes.
        device: "cpu", "cuda", or "auto" for CUDA if available.

    Raises:
        DeviceMissing: `device` is "cuda", and CUDA is not available or does not start.
        TrunkError: ONNX Runtime cannot open the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = execution_providers(device, onnxruntime.get_available_providers())
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as fault:  # ONNX Runtime's exceptions have no other common base
        raise TrunkError(
            f"ONNX Runtime cannot open {model if isinstance(model, Path) else 'the graph'} ({fault})."
        ) from None
    require_device(device, session.get_providers())  # ONNX Runtime silently drops a CUDA that does not start
    return session


def require_available_device(device: Device) -> None:
    """Require that this ONNX Runtime supports `device`.

    Raises:
        DeviceMissing: it does not.
    """
    require_device(device, onnxruntime.get_available_providers())
