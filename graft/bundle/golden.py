"""Golden samples: raw samples of a bundle with the answers they got when it was made."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graft.errors import BundleBroken
from graft.inputs.open_input import BatchArrays, Input, SampleArray
from graft.types import Float32Array


@dataclass(frozen=True, slots=True)
class Golden:
    """n raw samples and what every stage made of them, so that a miss names the stage.

    Shapes: arrays_sha256 n hex strings, features float32 [n,d], scores float32 [n,k]; where the head tells novelty
    too, that is one more column behind its scores (`graft.bundle.head_runner`).
    """

    samples: tuple[bytes, ...]
    arrays_sha256: tuple[str, ...]
    features: Float32Array
    scores: Float32Array

    @classmethod
    def record(
        cls,
        samples: Sequence[bytes],
        inputs: Input,
        trunk: Callable[[BatchArrays], Float32Array],
        head: Callable[[Float32Array], Float32Array] | None,
    ) -> Golden:
        """Record what `inputs`, `trunk` and `head` answer to `samples`, one sample at a time.

        Without a head the scores are empty, [n,0].
        """
        arrays = [inputs(sample) for sample in samples]
        features = np.concatenate([trunk(inputs.batch([array])) for array in arrays])
        scores = head(features) if head else np.empty((len(samples), 0), np.float32)
        return cls(tuple(samples), tuple(map(array_sha256, arrays)), features, scores)

    def to_npz(self) -> bytes:
        """Return the bytes of golden.npz: plain arrays, no objects."""
        sizes = np.array([len(sample) for sample in self.samples], np.int64)
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            sizes=sizes,
            bytes=np.frombuffer(b"".join(self.samples), np.uint8),
            arrays_sha256=np.array(self.arrays_sha256, "U64"),
            features=self.features,
            scores=self.scores,
        )
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes, source: str) -> Golden:
        """Read golden.npz; `source` is named in errors.

        Raises:
            BundleBroken: it is none, or holds objects.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as npz:
                split_points = np.cumsum(npz["sizes"])[:-1]
                samples = tuple(part.tobytes() for part in np.split(npz["bytes"], split_points))
                hashes = tuple(str(sha) for sha in npz["arrays_sha256"])
                return cls(samples, hashes, npz["features"], npz["scores"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as fault:
            raise BundleBroken(f"{source} holds no golden samples ({fault}). Publish the model again.") from None


def array_sha256(array: SampleArray) -> str:
    """Return the SHA-256 of an array's bytes, in hex."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
