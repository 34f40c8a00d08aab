"""Replay golden samples: compare a bundle's answers here with those on record, so that serving equals training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from graft.bundle.golden import Golden, array_sha256
from graft.bundle.head_runner import HeadRunner
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import BundleLayout
from graft.errors import InputError, ReplayFailed
from graft.inputs.open_input import BatchArrays, Input, open_input
from graft.runtime.session import open_session
from graft.types import Float32Array

# Relative to 1 for probabilities, to the target's standard deviation for regression, to the largest feature for
# embeddings. int8 differs more between CPUs and runtimes.
TOLERANCE: Final = {"fp32": 1e-3, "int8": 0.05}
# Relative to the novelty, or to its standard deviation if that is larger: differences of all features add up in it.
NOVELTY_TOLERANCE: Final = {"fp32": 0.01, "int8": 0.25}
MIN_LABEL_MARGIN: Final = 0.05  # margin of the top-1 score from which on the label must be the same


def replay_files(layout: BundleLayout, manifest: Manifest, trunk: Path | None = None) -> None:
    """Open the files of a bundle, on the CPU, and replay its golden samples.

    `trunk` is the trunk's file while it is not yet in the bundle's folder.

    Raises:
        ReplayFailed: an answer differs; the message names the first stage that does.
        TrunkError: ONNX Runtime cannot open a file.
        BundleError: the input spec or the tokenizer cannot be used here.
    """
    inputs = open_input(manifest.input, layout.tokenizer.read_bytes() if layout.tokenizer.is_file() else None)
    session = open_session(trunk or layout.trunk)
    features = manifest.signature.outputs[0].name

    def run_trunk(arrays: BatchArrays) -> Float32Array:
        rows: Float32Array = session.run([features], dict(arrays))[0]
        return rows

    head = HeadRunner(layout.head.read_bytes()) if layout.head.is_file() else None
    golden = Golden.from_npz(layout.golden.read_bytes(), str(layout.golden))
    replay(golden, manifest, inputs, run_trunk, head)


def replay(
    golden: Golden,
    manifest: Manifest,
    inputs: Input,
    trunk: Callable[[BatchArrays], Float32Array],
    head: Callable[[Float32Array], Float32Array] | None,
) -> None:
    """Run the golden samples, each in a batch of one, and compare the answers with those on record.

    Args:
        golden: the samples with their recorded features and scores.
        manifest: sets the tolerance by its precision and its task.
        inputs: decodes a sample.
        trunk: a batch of n -> features, float32 [n,d].
        head: features, float32 [n,d] -> scores, float32 [n,k]; None compares the features.

    Raises:
        ReplayFailed: an answer differs; the message names the first stage that does.
    """
    for number, sample in enumerate(golden.samples):
        where = f"golden sample {number + 1} of {len(golden.samples)}"
        try:
            array = inputs(sample)
        except InputError as fault:
            raise ReplayFailed(f"{where} does not decode here: {fault}") from None
        if array_sha256(array) != golden.arrays_sha256[number]:
            raise ReplayFailed(
                f"{where} decodes to other {'pixels' if array.ndim > 1 else 'tokens'} here than when the model was "
                "published. Install the version of the decoder that its manifest names (input.decoder_version)."
            )
        features = trunk(inputs.batch([array]))
        largest = float(np.abs(golden.features[number]).max())
        feature_drift = float(np.abs(features[0] - golden.features[number]).max()) / (largest or 1.0)
        if head is None:
            mismatch = None if feature_drift <= TOLERANCE[manifest.precision] else "an embedding"
        else:
            mismatch = _describe_mismatch(golden.scores[number], head(features)[0], manifest)
        if mismatch:
            stage = (
                "head" if feature_drift < 1e-3 else f"trunk (features moved by {feature_drift:.1%} of their largest)"
            )
            raise ReplayFailed(f"{where} gets another answer here: {mismatch}; the stage that differs is the {stage}.")


def _describe_mismatch(expected: Float32Array, actual: Float32Array, manifest: Manifest) -> str | None:
    """Describe how one answer of the head, [k] or [k+1], differs; None if it does not."""
    if expected.shape != actual.shape:
        return f"{actual.size} values instead of {expected.size}"
    k = len(manifest.labels)
    return _describe_score_mismatch(expected[:k], actual[:k], manifest) or _describe_novelty_mismatch(
        expected[k:], actual[k:], manifest
    )


def _describe_score_mismatch(expected: Float32Array, actual: Float32Array, manifest: Manifest) -> str | None:
    tolerance = TOLERANCE[manifest.precision] * float(manifest.head.get("unit", 1.0))
    off = float(np.abs(expected - actual).max())
    if not off <= tolerance:  # also true for NaN
        return f"a score is off by {off:.2g}, allowed is {tolerance:g}"
    if manifest.task == "classify":
        second, first = np.sort(expected)[-2:]
        if first - second > MIN_LABEL_MARGIN and int(actual.argmax()) != int(expected.argmax()):
            return "the label differs"
    return None


def _describe_novelty_mismatch(expected: Float32Array, actual: Float32Array, manifest: Manifest) -> str | None:
    if not expected.size:
        return None
    expected_novelty, unit = float(expected[0]), float(manifest.head.get("novelty", {}).get("unit", 0.0))
    tolerance = NOVELTY_TOLERANCE[manifest.precision] * max(abs(expected_novelty), unit)
    off = abs(float(actual[0]) - expected_novelty)
    return None if off <= tolerance else f"the novelty is off by {off:.2g}, allowed is {tolerance:.2g}"
