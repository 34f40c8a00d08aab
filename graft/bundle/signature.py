"""The signature of a trunk or a bundle: its named input and output tensors, each with dtype and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input or output tensor."""

    name: str
    dtype: str  # NumPy's name: "uint8", "float32", "int64"
    shape: tuple[int, ...]  # the batch axis is -1

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> TensorSpec:
        """Read the dict that `dataclasses.asdict` made."""
        return cls(str(facts["name"]), str(facts["dtype"]), tuple(int(n) for n in facts["shape"]))


@dataclass(frozen=True, slots=True)
class Signature:
    """The input and output tensors of a graph."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Signature:
        """Read the dict that `dataclasses.asdict` made."""
        return cls(
            tuple(TensorSpec.from_dict(tensor) for tensor in facts["inputs"]),
            tuple(TensorSpec.from_dict(tensor) for tensor in facts["outputs"]),
        )


def image_signature(size: int, width: int) -> Signature:
    """Return the signature of an image trunk: uint8 [n,size,size,3] -> float32 [n,width]."""
    return Signature(
        (TensorSpec("image", "uint8", (-1, size, size, 3)),),
        (TensorSpec("features", "float32", (-1, width)),),
    )
