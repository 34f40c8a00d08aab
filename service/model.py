"""One version of one model, opened for serving: verified, replayed, warm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.engine import Engine, Grafted
from zoo.bundle import open_bundle
from zoo.errors import BundleBroken, BundleUnsupported
from zoo.golden import Floats
from zoo.inputs import ImageInput
from zoo.manifest import Manifest
from zoo.replay import TOLERANCE, replay

Sample = bytes | NDArray[np.uint8]  # an image file, or uint8 [h,w,3] or [h,w]


@dataclass(frozen=True, slots=True)
class Model:
    """One version of one model, ready to answer from many threads at once."""

    name: str
    version: int
    manifest: Manifest
    inputs: ImageInput
    grafted: Grafted

    def decode(self, sample: Sample) -> NDArray[np.uint8]:
        """Make a sample uint8 [1,s,s,3].

        Raises:
            InputError: it is no image that the model takes.
        """
        return (self.inputs(sample) if isinstance(sample, bytes) else self.inputs.array(sample))[None]

    def features(self, pixels: NDArray[np.uint8]) -> Floats:
        """Run the trunk: uint8 [n,s,s,3] -> float32 [n,d]."""
        return self.grafted.trunk(pixels)

    def scores(self, features: Floats) -> Floats:
        """Run the head: float32 [n,d] -> float32 [n,k]."""
        return self.grafted.head(features)


def open_model(folder: Path, name: str, version: int, engine: Engine) -> Model:
    """Open one version of a model: every byte verified, its golden samples replayed, so it is warm.

    Raises:
        BundleError: it must not be served; the message says why.
    """
    bundle = open_bundle(folder / name / str(version))
    manifest, signature = bundle.manifest, bundle.manifest.signature
    if manifest.task != "classify" or manifest.precision not in TOLERANCE or len(signature.outputs) < 2:
        raise BundleUnsupported(
            f"{bundle.layout.manifest} has task {manifest.task!r} and precision {manifest.precision!r}; this Graft "
            f"serves 'classify' in {' or '.join(TOLERANCE)}. Update Graft to serve it."
        )
    if signature.outputs[1].shape[-1] != len(manifest.labels):
        raise BundleBroken(
            f"{bundle.layout.manifest} has {len(manifest.labels)} labels for {signature.outputs[1].shape[-1]} scores. "
            "Publish the model again."
        )
    inputs = ImageInput.of(manifest.input)
    grafted = engine.open(bundle)
    replay(bundle.golden(), manifest.precision, inputs, grafted.trunk, grafted.head)
    return Model(name, version, manifest, inputs, grafted)
