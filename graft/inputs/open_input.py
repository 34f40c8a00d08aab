"""Raw bytes to arrays, for training and for serving alike: what every input can do, and which one a spec names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from graft.errors import BundleUnsupported

SampleArray = NDArray[Any]  # one sample: uint8 [s,s,3] of an image, int32 [t] of a text
BatchArrays = Mapping[str, NDArray[Any]]  # a batch as the trunk takes it: by name, the first axis is n


class Input(Protocol):
    """A sample's raw bytes -> one array -> with others, the arrays of a batch."""

    def spec(self) -> dict[str, Any]:
        """Return what a server must be able to do exactly: goes into manifests and cache keys."""

    def decoder_version(self) -> str:
        """Return the version of the decoder or tokeniser, for the record in a manifest."""

    def __call__(self, data: bytes) -> SampleArray:
        """Decode one sample.

        Raises:
            InputError: it cannot be; the message says why.
        """

    def batch(self, samples: Sequence[SampleArray]) -> BatchArrays:
        """Put n samples together as the trunk takes them."""


def open_input(spec: Mapping[str, Any], tokenizer_json: bytes | None) -> Input:
    """Return the input that the spec of a bundle or of a cached trunk describes.

    Raises:
        BundleBroken: `tokenizer_json` is not the file that the spec names.
        BundleUnsupported: this Graft cannot do exactly that.
    """
    if spec.get("kind") == "image":
        from graft.inputs.image import ImageInput

        return ImageInput.from_spec(spec)
    if spec.get("kind") == "text":
        from graft.inputs.text import TextInput

        return TextInput.from_spec(spec, tokenizer_json or b"")
    raise BundleUnsupported(f"the input spec is of kind {spec.get('kind')!r}; this Graft knows 'image' and 'text'.")
