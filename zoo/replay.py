"""Golden samples once more through a bundle: what is served is what was trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from zoo.errors import InputError, ReplayFailed
from zoo.golden import Floats, Golden, fingerprint
from zoo.inputs import Arrays, Input
from zoo.manifest import Manifest

# Of a probability, of the deviation of a regression's target, or of the largest feature.
# Another CPU or runtime moves int8 more.
TOLERANCE: Final = {"fp32": 1e-3, "int8": 0.05}
# Of the novelty, or of its deviation where that is more: it sums up what all the features have moved.
NOVELTY_TOLERANCE: Final = {"fp32": 0.01, "int8": 0.25}
MARGIN: Final = 0.05  # above it the winning label must be the same


def replay(
    golden: Golden,
    manifest: Manifest,
    inputs: Input,
    trunk: Callable[[Arrays], Floats],
    head: Callable[[Floats], Floats] | None,
) -> None:
    """Ask `golden`'s samples again and compare with the answers on record.

    Without a head the features are the answer.

    Raises:
        ReplayFailed: an answer differs; the message names the first stage that does.
    """
    for number, sample in enumerate(golden.samples):
        where = f"golden sample {number + 1} of {len(golden.samples)}"
        try:
            array = inputs(sample)
        except InputError as fault:
            raise ReplayFailed(f"{where} does not decode here: {fault}") from None
        if fingerprint(array) != golden.arrays_sha256[number]:
            raise ReplayFailed(
                f"{where} decodes to other {'pixels' if array.ndim > 1 else 'tokens'} here than where the model was "
                "made. Install the decoder's version that its manifest names (input.decoder_version)."
            )
        features = trunk(inputs.batch([array]))
        largest = float(np.abs(golden.features[number]).max())
        moved = float(np.abs(features[0] - golden.features[number]).max()) / (largest or 1.0)
        if head is None:
            miss = None if moved <= TOLERANCE[manifest.precision] else "an embedding"
        else:
            miss = _miss(golden.scores[number], head(features)[0], manifest)
        if miss:
            stage = "head" if moved < 1e-3 else f"trunk (features moved by {moved:.1%} of their largest)"
            raise ReplayFailed(f"{where} gets another answer here: {miss}; the stage that differs is the {stage}.")


def _miss(recorded: Floats, answered: Floats, manifest: Manifest) -> str | None:
    """Say what is wrong with one answer, the columns of the head's outputs; None where nothing is."""
    if recorded.shape != answered.shape:
        return f"{answered.size} numbers instead of {recorded.size}"
    k = len(manifest.labels)
    return _scores_miss(recorded[:k], answered[:k], manifest) or _novelty_miss(recorded[k:], answered[k:], manifest)


def _scores_miss(recorded: Floats, answered: Floats, manifest: Manifest) -> str | None:
    tolerance = TOLERANCE[manifest.precision] * float(manifest.head.get("unit", 1.0))
    off = float(np.abs(recorded - answered).max())
    if not off <= tolerance:  # NaN is a miss too
        return f"a score is off by {off:.2g}, allowed is {tolerance:g}"
    if manifest.task == "classify":
        second, first = np.sort(recorded)[-2:]
        if first - second > MARGIN and int(answered.argmax()) != int(recorded.argmax()):
            return "the label differs"
    return None


def _novelty_miss(recorded: Floats, answered: Floats, manifest: Manifest) -> str | None:
    if not recorded.size:
        return None
    due, unit = float(recorded[0]), float(manifest.head.get("novelty", {}).get("unit", 0.0))
    tolerance = NOVELTY_TOLERANCE[manifest.precision] * max(abs(due), unit)
    off = abs(float(answered[0]) - due)
    return None if off <= tolerance else f"the novelty is off by {off:.2g}, allowed is {tolerance:.2g}"
