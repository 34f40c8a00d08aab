from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from graft.errors import DeviceMissing
from graft.runtime import session
from graft.runtime.device import CPU_PROVIDER, CUDA_PROVIDER, Device, execution_providers
from graft.runtime.session import open_session, require_available_device
from tests.support.fakes import tiny_trunk_bytes

HERE = onnxruntime.get_available_providers()


@pytest.mark.parametrize(
    ("device", "there", "chosen"),
    [
        ("auto", [CPU_PROVIDER], [CPU_PROVIDER]),
        ("auto", [CUDA_PROVIDER, CPU_PROVIDER], [CUDA_PROVIDER, CPU_PROVIDER]),
        ("cpu", [CUDA_PROVIDER, CPU_PROVIDER], [CPU_PROVIDER]),
        ("cuda", [CUDA_PROVIDER, CPU_PROVIDER], [CUDA_PROVIDER, CPU_PROVIDER]),
    ],
)
def test_device_selects_the_execution_providers(device: Device, there: list[str], chosen: list[str]) -> None:
    assert [one if isinstance(one, str) else one[0] for one in execution_providers(device, there)] == chosen


def test_device_cuda_missing_is_refused_with_advice() -> None:
    with pytest.raises(DeviceMissing, match=r"keras-graft\[serve,gpu\].*--device cpu"):
        execution_providers("cuda", [CPU_PROVIDER])


@pytest.mark.skipif(CUDA_PROVIDER in HERE, reason="there is CUDA here")
def test_device_cuda_on_this_machine_is_refused(tmp_path: Path) -> None:
    require_available_device("auto")
    with pytest.raises(DeviceMissing):
        require_available_device("cuda")
    assert open_session(tiny_trunk_bytes(), "auto").get_providers() == [CPU_PROVIDER]


def test_device_cuda_that_fails_to_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime leaves a provider out that fails to start, and says nothing."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr(session, "execution_providers", lambda *_: [CPU_PROVIDER])
    with pytest.raises(DeviceMissing):
        open_session(tiny_trunk_bytes(), "cuda")
    assert open_session(tiny_trunk_bytes(), "auto").get_providers() == [CPU_PROVIDER]
