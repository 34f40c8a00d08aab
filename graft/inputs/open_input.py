"""The protocol of inputs, which turn raw bytes into arrays, and the choice of one by its spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from graft.errors import BundleUnsupported

SampleArray = NDArray[Any]  # one decoded sample: uint8 [s,s,3] of an image, int32 [t] of a text
BatchArrays = Mapping[str, NDArray[Any]]  # a batch of n by input name, each [n,...]


class Input(Protocol):
    """Decodes a sample's raw bytes to an array, and joins such arrays to a batch."""

    def spec(self) -> dict[str, Any]:
        """Return what a server must reproduce exactly, for manifests and cache keys."""

    def decoder_version(self) -> str:
        """Return the version of the decoder or tokenizer, for information in manifests."""

    def __call__(self, data: bytes) -> SampleArray:
        """Decode one sample.

        Raises:
            InputError: it cannot be decoded; the message says why.
        """

    def batch(self, samples: Sequence[SampleArray]) -> BatchArrays:
        """Join n decoded samples to a batch for the trunk."""


def open_input(spec: Mapping[str, Any], tokenizer_json: bytes | None) -> Input:
    """Return the input that a spec of a bundle or of a cached trunk describes.

    Args:
        spec: what `Input.spec` returned.
        tokenizer_json: the bytes of tokenizer.json; None for images.

    Raises:
        BundleBroken: `tokenizer_json` is not the file whose SHA-256 is in the spec.
        BundleUnsupported: this Graft cannot reproduce the spec exactly.
    """
    if spec.get("kind") == "image":
        from graft.inputs.image import ImageInput

        return ImageInput.from_spec(spec)
    if spec.get("kind") == "text":
        from graft.inputs.text import TextInput

        return TextInput.from_spec(spec, tokenizer_json or b"")
    raise BundleUnsupported(
        f"the input spec has the kind {spec.get('kind')!r}; this Graft supports 'image' and 'text'. Update Graft."
    )
