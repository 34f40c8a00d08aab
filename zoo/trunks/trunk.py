"""A backbone made runnable: arrays -> features, in ONNX Runtime. Built once per machine, cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.bundle.signature import Signature
from graft.inputs.open_input import BatchArrays, Input, open_input
from graft.progress import Progress, SilentProgress
from graft.runtime.session import open_session
from zoo.catalog.backbone import Backbone, Precision
from zoo.trunks import trunk_cache


class Trunk:
    """A trunk that is ready to run; safe to call from many threads at once."""

    def __init__(self, path: Path, sha256: str, signature: Signature, inputs: Input, facts: dict[str, Any]) -> None:
        self.path, self.sha256, self.signature, self.inputs, self.facts = path, sha256, signature, inputs, facts
        self._session = open_session(path)

    def __call__(self, arrays: BatchArrays) -> NDArray[np.float32]:
        """Return the features [n,d] of a batch that `inputs` made; one thread of one core is used."""
        features: NDArray[np.float32] = self._session.run(None, dict(arrays))[0]
        return features

    @classmethod
    def from_backbone(cls, backbone: Backbone, precision: Precision, progress: Progress | None = None) -> Trunk:
        """Return the trunk of `backbone`, from the cache or built now by Keras in a process of its own.

        Raises:
            WeightsError: its weights could not be had.
            TrunkError: it could not be built; ParityError where ONNX Runtime did not repeat Keras.
            MissingExtra: it must be built, and the extra `train` is not installed.
        """
        found = trunk_cache.ensure_trunk(backbone, precision, progress or SilentProgress())
        inputs = open_input(found.facts["input"], found.read_tokenizer())
        return cls(
            found.path, found.facts["sha256"], Signature.from_dict(found.facts["signature"]), inputs, found.facts
        )
