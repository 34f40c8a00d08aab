"""Read a PyTorch checkpoint (state dict, file format before 1.6) without torch and without running code.

Such a file is three small pickles (a magic number, the protocol, the sizes of C types), a pickled state dict whose
storages are persistent ids, a pickled list of storage keys, and then for each key a 64-bit element count and the raw
elements. A pickle can call anything that it names; `_RestrictedUnpickler` allows four names.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graft.errors import WeightsError

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_DTYPES: Final = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _TensorView(NamedTuple):
    """A view into a storage that is read later."""

    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a state dict by name, in the file's order: float32 or int64 arrays of any shape.

    Raises:
        WeightsError: it is no such file, is truncated, or names anything but tensors.
    """
    try:
        with path.open("rb") as file:
            magic, protocol, _sizes = (_RestrictedUnpickler(file).load() for _ in range(3))
            if (magic, protocol) != (_MAGIC, _PROTOCOL):
                raise WeightsError(
                    f"{path} is not a PyTorch file of the format before 1.6; delete it and fetch it again."
                )
            reader = _RestrictedUnpickler(file)
            tensors: dict[str, _TensorView] = reader.load()
            storages = {key: _read_storage(file, reader.storages[key]) for key in _RestrictedUnpickler(file).load()}
            return {name: _copy_tensor(storages[tensor.key], tensor) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as fault:
        raise WeightsError(
            f"{path} is not a state dict that can be read safely ({fault}). Delete it and fetch it again."
        ) from None


class _RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that can create ordered dicts and tensor views, nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[np.dtype[Any], int]] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's own signature
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed in a state dict")

    def persistent_load(self, pid: Any) -> str:  # noqa: ANN401 - pickle's own signature
        kind, dtype, key, _device, count, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"it holds a {kind!r}, not a plain storage")
        self.storages[key] = (dtype, int(count))
        return str(key)


def _rebuild_tensor(key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _TensorView:
    return _TensorView(key, offset, shape, strides)


def _read_storage(file: BinaryIO, dtype_and_count: tuple[np.dtype[Any], int]) -> NDArray[Any]:
    dtype, count = dtype_and_count
    stated_count = int.from_bytes(file.read(8), "little")
    data = file.read(count * dtype.itemsize)
    if stated_count != count or len(data) != count * dtype.itemsize:
        raise ValueError(f"a storage of {count} elements is truncated, or its count is {stated_count}")
    return np.frombuffer(data, dtype)


def _copy_tensor(storage: NDArray[Any], tensor: _TensorView) -> NDArray[Any]:
    """Return a copy of the tensor; its strides, in elements, are checked against the storage."""
    last_index = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if min(tensor.offset, *tensor.shape, *tensor.strides, 0) < 0 or last_index >= len(storage):
        raise ValueError(f"a tensor of shape {tensor.shape} reaches outside its storage")
    strides = tuple(step * storage.itemsize for step in tensor.strides)
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False).copy()
