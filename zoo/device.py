"""Where a trunk runs: the CPU, or a CUDA device through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

from zoo.errors import DeviceMissing

Device = Literal["auto", "cpu", "cuda"]  # auto: CUDA where it is
Provider = str | tuple[str, Mapping[str, Any]]

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
# Answers are held against golden ones within 1e-3, and TensorFloat-32 has ten bits.
_CUDA: Final[Provider] = (CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})


def providers(device: Device, there: Collection[str]) -> list[Provider]:
    """Return ONNX Runtime's execution providers for a device, of those that are `there`, the preferred one first.

    Raises:
        DeviceMissing: CUDA is asked for, and is not among them.
    """
    check_device(device, there)
    return [_CUDA, CPU] if device != "cpu" and CUDA in there else [CPU]


def check_device(device: Device, there: Collection[str]) -> None:
    """Pass if a device can be had with the providers that are `there`.

    Raises:
        DeviceMissing: it cannot.
    """
    if device == "cuda" and CUDA not in there:
        raise DeviceMissing(
            f"there is no CUDA here: ONNX Runtime has {', '.join(sorted(there))}. On a machine with an NVIDIA GPU "
            "install 'keras-graft[serve,gpu]' and the CUDA libraries; anywhere, --device cpu works."
        )
