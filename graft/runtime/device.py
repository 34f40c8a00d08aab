"""The device that a trunk runs on: CPU or CUDA, as ONNX Runtime's execution providers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

from graft.errors import DeviceMissing

Device = Literal["auto", "cpu", "cuda"]  # auto: CUDA if available
ExecutionProvider = str | tuple[str, Mapping[str, Any]]

CPU_PROVIDER: Final = "CPUExecutionProvider"
CUDA_PROVIDER: Final = "CUDAExecutionProvider"
# No TensorFloat-32: its ten bits are too few for the tolerance of 1e-3 of the golden samples.
_CUDA_WITH_OPTIONS: Final[ExecutionProvider] = (CUDA_PROVIDER, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})


def execution_providers(device: Device, available: Collection[str]) -> list[ExecutionProvider]:
    """Return ONNX Runtime's execution providers for `device`, out of those `available`, in order of preference.

    >>> execution_providers("auto", ["CPUExecutionProvider"])
    ['CPUExecutionProvider']

    Raises:
        DeviceMissing: `device` is "cuda", and CUDA is not available.
    """
    require_device(device, available)
    return [_CUDA_WITH_OPTIONS, CPU_PROVIDER] if device != "cpu" and CUDA_PROVIDER in available else [CPU_PROVIDER]


def require_device(device: Device, available: Collection[str]) -> None:
    """Require that one of the `available` execution providers runs on `device`.

    Raises:
        DeviceMissing: none does.
    """
    if device == "cuda" and CUDA_PROVIDER not in available:
        raise DeviceMissing(
            f"CUDA is not available: ONNX Runtime has {', '.join(sorted(available))}. On a machine with an NVIDIA GPU, "
            "install 'keras-graft[serve,gpu]' and the CUDA libraries; --device cpu works on every machine."
        )
