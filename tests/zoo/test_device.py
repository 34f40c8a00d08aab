from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from tests.fakes import tiny_trunk_bytes
from zoo.device import CPU, CUDA, Device, providers
from zoo.errors import DeviceMissing
from zoo.trunk import check_device_here, open_session

HERE = onnxruntime.get_available_providers()


@pytest.mark.parametrize(
    ("device", "there", "chosen"),
    [
        ("auto", [CPU], [CPU]),
        ("auto", [CUDA, CPU], [CUDA, CPU]),
        ("cpu", [CUDA, CPU], [CPU]),
        ("cuda", [CUDA, CPU], [CUDA, CPU]),
    ],
)
def test_the_device_decides_the_providers(device: Device, there: list[str], chosen: list[str]) -> None:
    assert [one if isinstance(one, str) else one[0] for one in providers(device, there)] == chosen


def test_cuda_without_cuda_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(DeviceMissing, match=r"keras-graft\[serve,gpu\].*--device cpu"):
        providers("cuda", [CPU])


@pytest.mark.skipif(CUDA in HERE, reason="there is CUDA here")
def test_here_is_none(tmp_path: Path) -> None:
    check_device_here("auto")
    with pytest.raises(DeviceMissing):
        check_device_here("cuda")
    assert open_session(tiny_trunk_bytes(), "auto").get_providers() == [CPU]


def test_cuda_that_does_not_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime leaves a provider out that fails to start, and says nothing."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr("zoo.trunk.providers", lambda *_: [CPU])
    with pytest.raises(DeviceMissing):
        open_session(tiny_trunk_bytes(), "cuda")
    assert open_session(tiny_trunk_bytes(), "auto").get_providers() == [CPU]
