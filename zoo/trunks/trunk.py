"""Trunk: a backbone that runs in ONNX Runtime, from input arrays to features; built once per machine and cached."""

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
    """A trunk that is ready to run; it may be called from many threads at once."""

    def __init__(self, path: Path, sha256: str, signature: Signature, inputs: Input, facts: dict[str, Any]) -> None:
        self.path, self.sha256, self.signature, self.inputs, self.facts = path, sha256, signature, inputs, facts
        self._session = open_session(path)

    def __call__(self, arrays: BatchArrays) -> NDArray[np.float32]:
        """Return the features, float32 [n,d], of a batch made by `inputs`; the call uses one thread."""
        features: NDArray[np.float32] = self._session.run(None, dict(arrays))[0]
        return features

    @classmethod
    def from_backbone(cls, backbone: Backbone, precision: Precision, progress: Progress | None = None) -> Trunk:
        """Return the trunk of `backbone` from the cache; if it is not there, Keras builds it in a child process.

        Raises:
            WeightsError: its weights could not be fetched.
            TrunkError: it could not be built; ParityError if ONNX Runtime does not reproduce Keras.
            MissingExtra: it must be built, and the extra `train` is not installed.
        """
        cached = trunk_cache.ensure_trunk(backbone, precision, progress or SilentProgress())
        facts, inputs = cached.facts, open_input(cached.facts["input"], cached.read_tokenizer())
        return cls(cached.path, facts["sha256"], Signature.from_dict(facts["signature"]), inputs, facts)
