"""What a bundle carries to prove itself, and the proof, made before there is a bundle."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.features import Features
from zoo.columns import concat_outputs
from zoo.errors import DatasetError, TrunkError
from zoo.files import file_sha256
from zoo.golden import Golden
from zoo.manifest import Manifest
from zoo.replay import replay
from zoo.trunk import Trunk, open_session

Float32Array = NDArray[np.float32]


class HeadRunner:
    """The finished head as the server will run it: features float32 [n,d] -> float32 [n,k], or [n,k+1] with novelty."""

    def __init__(self, head_onnx: bytes) -> None:
        self._session = open_session(head_onnx)

    def __call__(self, features: Float32Array) -> Float32Array:
        """Return the scores of `features`, and behind them the novelty if the head tells it."""
        return concat_outputs(self._session.run(None, {"features": features}))


def choose_golden_samples(features: Features, rows: NDArray[np.intp], strata: Sequence[str], count: int) -> list[bytes]:
    """Return `count` of the samples `rows`, stratum by stratum in turn, the smallest of each: bundles stay small.

    Raises:
        DatasetError: one of them is no longer what the features were extracted from.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    try:
        for row in sorted(rows.tolist(), key=lambda row: features.samples[row].size()):
            groups[strata[row]].append(row)
        turns = sorted((turn, name, row) for name, some in groups.items() for turn, row in enumerate(some))
        chosen = [(row, features.samples[row].read()) for _, _, row in turns[:count]]
    except OSError as fault:
        raise DatasetError(f"{fault.filename} went away during the run ({fault.strerror}). Run it again.") from None
    for row, data in chosen:
        if hashlib.sha256(data).digest() != features.sha256[row]:
            raise DatasetError(f"{features.samples[row].ref} was changed during the run. Run it again.")
    return [data for _, data in chosen]


def prove_bundle(golden: Golden, manifest: Manifest, trunk: Trunk, head_onnx: bytes | None) -> None:
    """Replay the golden samples from their file's bytes through freshly opened files, before there is a bundle.

    Raises:
        ReplayFailed: they get other answers.
        TrunkError: the trunk's file is not what it was.
    """
    if file_sha256(trunk.path) != trunk.sha256:
        raise TrunkError(f"{trunk.path} changed while it was used. Run the same command again to build it anew.")
    reopened = Trunk(trunk.path, trunk.sha256, trunk.signature, trunk.inputs, trunk.facts)
    head: Callable[[Float32Array], Float32Array] | None = HeadRunner(head_onnx) if head_onnx else None
    replay(Golden.from_npz(golden.to_npz(), "golden.npz"), manifest, trunk.inputs, reopened, head)
