"""What a model was taught: hash, label and part of every sample, so that it can be taught more without the samples.

In a bundle as examples.npz: plain arrays, no objects. Their features are in the cache under the SHA-256 of the
bundle's trunk and its input spec. A hash gives nothing away of a picture, but it tells whoever guesses a short
text that the guess is right: where the samples are to stay out of the bundle, so do these.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import Part
from finetune.features import Features
from finetune.split import NOBODY, Split
from zoo.errors import BundleBroken

NAME: Final = "examples.npz"
PARTS: Final = (NOBODY, *(part.value for part in Part))  # by the number in the file


@dataclass(frozen=True, slots=True)
class Examples:
    """The n samples of a training run, test samples too."""

    sha256: tuple[bytes, ...]  # of their contents
    labels: tuple[str, ...]  # as the data had them
    parts: NDArray[np.str_]  # [n], as in Split

    def to_npz(self) -> bytes:
        """Return the bytes of examples.npz."""
        names = sorted(set(self.labels))
        number = {name: at for at, name in enumerate(names)}
        packed = io.BytesIO()
        np.savez_compressed(
            packed,
            sha256=np.frombuffer(b"".join(self.sha256), np.uint8).reshape(-1, 32),
            # As JSON: NumPy's own texts all take the room of the longest one.
            labels=np.frombuffer(json.dumps(names).encode(), np.uint8),
            label=np.array([number[label] for label in self.labels], np.int32),
            part=np.array([PARTS.index(str(part)) for part in self.parts], np.uint8),
        )
        return packed.getvalue()

    @classmethod
    def of_npz(cls, data: bytes, where: str) -> Examples:
        """Read examples.npz; `where` is named in errors.

        Raises:
            BundleBroken: it is none, or holds objects.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as packed:
                names = [str(name) for name in json.loads(packed["labels"].tobytes())]
                return cls(
                    tuple(row.tobytes() for row in packed["sha256"]),
                    tuple(names[number] for number in packed["label"]),
                    np.array([PARTS[number] for number in packed["part"]], dtype="U5"),
                )
        except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile) as fault:
            raise BundleBroken(f"{where} holds no examples ({fault}). Publish the model again.") from None


def taught(features: Features, split: Split | None) -> dict[str, bytes]:
    """Return the file for a bundle, by its name; none where nothing was split, as nothing was taught."""
    if split is None:
        return {}
    labels = tuple(sample.label for sample in features.samples)
    return {NAME: Examples(features.sha256, labels, split.parts).to_npz()}
