"""Golden samples: raw samples in a bundle with the features and scores they got during training."""

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
    """n raw samples and the output of every stage, so that a mismatch can be attributed to a stage."""

    samples: tuple[bytes, ...]  # n files or texts
    arrays_sha256: tuple[str, ...]  # n, in hex: of the pixels or token ids that each is decoded to
    features: Float32Array  # [n,d]
    scores: Float32Array  # [n,k], or [n,k+1] where the head has novelty, its last column; [n,0] without a head

    @classmethod
    def record(
        cls,
        samples: Sequence[bytes],
        inputs: Input,
        trunk: Callable[[BatchArrays], Float32Array],
        head: Callable[[Float32Array], Float32Array] | None,
    ) -> Golden:
        """Record the features and scores of `samples`, each run in a batch of one.

        Args:
            samples: n raw samples.
            inputs: decodes a sample.
            trunk: a batch of n -> features, float32 [n,d].
            head: features, float32 [n,d] -> scores, float32 [n,k]; None for the task "embed".
        """
        arrays = [inputs(sample) for sample in samples]
        features = np.concatenate([trunk(inputs.batch([array])) for array in arrays])
        scores = head(features) if head else np.empty((len(samples), 0), np.float32)
        return cls(tuple(samples), tuple(map(array_sha256, arrays)), features, scores)

    def to_npz(self) -> bytes:
        """Return the bytes of golden.npz, which holds plain arrays and no objects."""
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
        """Read the bytes of golden.npz; errors name `source`.

        Raises:
            BundleBroken: the file is corrupt, or holds objects.
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
    """Return the SHA-256 of an array's bytes, in hex.

    >>> array_sha256(np.zeros(2, np.uint8))[:16]
    '96a296d224f285c6'
    """
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
