"""Where a trunk runs: the CPU, or a CUDA device through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

from graft.errors import DeviceMissing

Device = Literal["auto", "cpu", "cuda"]  # auto: CUDA where it is
ExecutionProvider = str | tuple[str, Mapping[str, Any]]

CPU_PROVIDER: Final = "CPUExecutionProvider"
CUDA_PROVIDER: Final = "CUDAExecutionProvider"
# Answers are held against golden ones within 1e-3, and TensorFloat-32 has ten bits.
_CUDA_WITH_OPTIONS: Final[ExecutionProvider] = (CUDA_PROVIDER, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})


def execution_providers(device: Device, available: Collection[str]) -> list[ExecutionProvider]:
    """Return ONNX Runtime's execution providers for a device, of those that are `available`, the preferred one first.

    Raises:
        DeviceMissing: CUDA is asked for, and is not among them.
    """
    require_device(device, available)
    return [_CUDA_WITH_OPTIONS, CPU_PROVIDER] if device != "cpu" and CUDA_PROVIDER in available else [CPU_PROVIDER]


def require_device(device: Device, available: Collection[str]) -> None:
    """Pass if a device can be had with the providers that are `available`.

    Raises:
        DeviceMissing: it cannot.
    """
    if device == "cuda" and CUDA_PROVIDER not in available:
        raise DeviceMissing(
            f"there is no CUDA here: ONNX Runtime has {', '.join(sorted(available))}. On a machine with an NVIDIA GPU "
            "install 'keras-graft[serve,gpu]' and the CUDA libraries; anywhere, --device cpu works."
        )
