"""State dicts are read; anything else that a pickle could do is refused."""

from __future__ import annotations

import os
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from graft.errors import WeightsError
from zoo.convert.networks.pytorch_checkpoint import read_state_dict

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
KERNEL = np.arange(24, dtype=np.float32)
STEPS = np.array([7], np.int64)


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Names as a pickle made by PyTorch has them."""
    module, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*arguments: Any) -> Any:
        raise AssertionError("only the reader's own stand-in may be called")

    for name in ("FloatStorage", "LongStorage", "BFloat16Storage"):
        setattr(module, name, type(name, (), {"__module__": "torch"}))
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    inner._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    module._utils = inner  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)
    return module


class Tensor:
    """Pickles as PyTorch's tensors do."""

    def __init__(self, key: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> None:
        self.arguments: tuple[Any, ...] = (Storage(key), offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Storage:
    def __init__(self, key: str) -> None:
        self.key = key


STORAGES: dict[str, tuple[str, NDArray[Any]]] = {"k": ("FloatStorage", KERNEL), "s": ("LongStorage", STEPS)}


class Pickler(pickle.Pickler):
    """Pickles storages as persistent ids, and lists their keys in `keys`."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, 2)
        self.keys: list[str] = []

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Storage):
            return None
        if value.key not in self.keys:
            self.keys.append(value.key)
        kind, array = STORAGES[value.key]
        return ("storage", getattr(sys.modules["torch"], kind), value.key, "cpu", len(array), None)


def write(path: Path, tensors: Any, *, cut: int = 0) -> Path:
    with path.open("wb") as file:
        for value in (MAGIC, PROTOCOL, {"little_endian": True}):
            pickle.dump(value, file, 2)
        pickler = Pickler(file)
        pickler.dump(tensors)
        pickle.dump(pickler.keys, file, 2)
        for _, array in map(STORAGES.__getitem__, pickler.keys):
            file.write(len(array).to_bytes(8, "little") + array.tobytes())
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    return path


def test_pytorch_checkpoint_tensors_are_read_by_name(tmp_path: Path) -> None:
    tensors = OrderedDict(
        b=Tensor("k", (2, 3, 4), (12, 4, 1)), a=Tensor("k", (4, 3), (1, 4), 12), n=Tensor("s", (), ())
    )
    read = read_state_dict(write(tmp_path / "net.pth", tensors))
    assert list(read) == ["b", "a", "n"]
    np.testing.assert_array_equal(read["b"], KERNEL.reshape(2, 3, 4))
    np.testing.assert_array_equal(read["a"], KERNEL[12:].reshape(3, 4).T)
    assert read["n"] == 7
    assert read["n"].dtype == np.int64


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_pytorch_checkpoint_pickle_never_runs_code(tmp_path: Path) -> None:
    file = write(tmp_path / "net.pth", OrderedDict(a=Bomb(tmp_path / "made")))
    with pytest.raises(WeightsError, match="mkdir"):
        read_state_dict(file)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "name", [("builtins", "eval"), ("os", "system"), ("torch", "load"), ("collections", "Counter")]
)
def test_pytorch_checkpoint_refuses_other_globals(tmp_path: Path, name: tuple[str, str]) -> None:
    (tmp_path / "net.pth").write_bytes(b"c" + "\n".join(name).encode() + b"\n.")
    with pytest.raises(WeightsError, match=rf"{name[0]}\.{name[1]}"):
        read_state_dict(tmp_path / "net.pth")


@pytest.mark.parametrize(
    "tensor",
    [
        ("k", (25,), (1,), 0),
        ("k", (2,), (1,), 23),
        ("k", (2, 3), (-1, 1), 5),
        ("k", (2,), (1,), -1),
        ("k", (1 << 40, 1), (1 << 40, 1), 0),
    ],
    ids=["too long", "beyond the end", "backwards", "before the start", "huge"],
)
def test_pytorch_checkpoint_refuses_a_tensor_outside_its_storage(tmp_path: Path, tensor: Any) -> None:
    with pytest.raises(WeightsError, match="reaches outside its storage"):
        read_state_dict(write(tmp_path / "net.pth", OrderedDict(a=Tensor(*tensor))))


def test_pytorch_checkpoint_truncated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a storage of 24 elements is truncated"):
        read_state_dict(write(tmp_path / "net.pth", OrderedDict(a=Tensor("k", (24,), (1,))), cut=4))


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"\x89HDF\r\n\x1a\n" + b"\0" * 64], ids=["empty", "zip", "hdf5"])
def test_pytorch_checkpoint_of_another_format_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "net.pth").write_bytes(data)
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / "net.pth")
