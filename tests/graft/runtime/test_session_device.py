"""Devices and the execution providers of sessions."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from graft.errors import DeviceMissing
from graft.runtime import session
from graft.runtime.device import CPU_PROVIDER, CUDA_PROVIDER, Device, execution_providers
from graft.runtime.session import open_session, require_available_device
from tests.support.fakes import tiny_trunk_bytes

AVAILABLE = onnxruntime.get_available_providers()


@pytest.mark.parametrize(
    ("device", "available", "expected"),
    [
        ("auto", [CPU_PROVIDER], [CPU_PROVIDER]),
        ("auto", [CUDA_PROVIDER, CPU_PROVIDER], [CUDA_PROVIDER, CPU_PROVIDER]),
        ("cpu", [CUDA_PROVIDER, CPU_PROVIDER], [CPU_PROVIDER]),
        ("cuda", [CUDA_PROVIDER, CPU_PROVIDER], [CUDA_PROVIDER, CPU_PROVIDER]),
    ],
)
def test_device_selects_the_execution_providers(device: Device, available: list[str], expected: list[str]) -> None:
    assert [
        provider if isinstance(provider, str) else provider[0] for provider in execution_providers(device, available)
    ] == expected


def test_device_cuda_missing_is_refused_with_advice() -> None:
    with pytest.raises(DeviceMissing, match=r"keras-graft\[serve,gpu\].*--device cpu"):
        execution_providers("cuda", [CPU_PROVIDER])


@pytest.mark.skipif(CUDA_PROVIDER in AVAILABLE, reason="CUDA is available")
def test_device_cuda_on_this_machine_is_refused(tmp_path: Path) -> None:
    require_available_device("auto")
    with pytest.raises(DeviceMissing):
        require_available_device("cuda")
    assert open_session(tiny_trunk_bytes(), "auto").get_providers() == [CPU_PROVIDER]


def test_device_cuda_that_fails_to_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime silently drops an execution provider that fails to start."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr(session, "execution_providers", lambda *_: [CPU_PROVIDER])
    with pytest.raises(DeviceMissing):
        open_session(tiny_trunk_bytes(), "cuda")
    assert open_session(tiny_trunk_bytes(), "auto").get_providers() == [CPU_PROVIDER]
