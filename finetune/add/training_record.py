"""The training record of a model: hash, label and part of every sample, so that `finetune add` needs no old samples.

It is examples.npz in a bundle: plain arrays, no objects. The features are in the cache under the SHA-256 of the
bundle's trunk and its input spec. A hash reveals nothing of an image, but it confirms a guess of a short text:
with --no-samples the bundle has no record either.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import SplitPart
from finetune.data.split import UNASSIGNED, Split
from finetune.features.extract import Features
from graft.errors import BundleBroken

RECORD_FILE: Final = "examples.npz"
PARTS_BY_CODE: Final = (UNASSIGNED, *(part.value for part in SplitPart))  # the file holds indices of it


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """The n samples of a training run, validation and test samples included."""

    sha256: tuple[bytes, ...]  # of their contents
    labels: tuple[str, ...]  # as in the data
    parts: NDArray[np.str_]  # [n], as in Split

    def to_npz(self) -> bytes:
        """Return the bytes of examples.npz."""
        names = sorted(set(self.labels))
        code_by_name = {name: at for at, name in enumerate(names)}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            sha256=np.frombuffer(b"".join(self.sha256), np.uint8).reshape(-1, 32),
            # As JSON: in a NumPy string array each item takes the space of the longest one.
            labels=np.frombuffer(json.dumps(names).encode(), np.uint8),
            label=np.array([code_by_name[label] for label in self.labels], np.int32),
            part=np.array([PARTS_BY_CODE.index(str(part)) for part in self.parts], np.uint8),
        )
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes, where: str) -> TrainingRecord:
        """Read the bytes of examples.npz; errors name `where`.

        Raises:
            BundleBroken: it is damaged, or holds objects.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                names = [str(name) for name in json.loads(archive["labels"].tobytes())]
                return cls(
                    tuple(row.tobytes() for row in archive["sha256"]),
                    tuple(names[number] for number in archive["label"]),
                    np.array([PARTS_BY_CODE[number] for number in archive["part"]], dtype="U5"),
                )
        except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile) as fault:
            raise BundleBroken(f"{where} is damaged ({fault}). Publish the model again.") from None


def training_record_file(features: Features, split: Split | None) -> dict[str, bytes]:
    """Return the record as a file of a bundle, by its name; {} if nothing was split and so nothing trained."""
    if split is None:
        return {}
    labels = tuple(sample.label for sample in features.samples)
    return {RECORD_FILE: TrainingRecord(features.sha256, labels, split.parts).to_npz()}
