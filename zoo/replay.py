"""Golden samples once more through a bundle: what is served is what was trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import InputError, ReplayFailed
from zoo.golden import Floats, Golden, fingerprint

# Another CPU or runtime moves int8 more.
TOLERANCE: Final = {"fp32": 1e-3, "int8": 0.05}
MARGIN: Final = 0.05  # above it the winning label must be the same


def replay(
    golden: Golden,
    precision: str,
    inputs: Callable[[bytes], NDArray[np.uint8]],
    trunk: Callable[[NDArray[np.uint8]], Floats],
    head: Callable[[Floats], Floats],
) -> None:
    """Ask `golden`'s samples again and compare with the answers on record.

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
                f"{where} decodes to other pixels here than where the model was made. "
                "Install the decoder's version that its manifest names (input.decoder_version)."
            )
        features = trunk(array[None])
        scores = head(features)
        if (miss := _miss(golden.scores[number], scores[0], TOLERANCE[precision])) is None:
            continue
        moved = float(np.abs(features[0] - golden.features[number]).max() / np.abs(golden.features[number]).max())
        stage = "head" if moved < 1e-3 else f"trunk (features moved by {moved:.1%} of their largest)"
        raise ReplayFailed(f"{where} gets another answer here: {miss}; the stage that differs is the {stage}.")


def _miss(recorded: Floats, answered: Floats, tolerance: float) -> str | None:
    """Say what is wrong with one answer, float32 [k]; None where nothing is."""
    off = float(np.abs(recorded - answered).max())
    if not off <= tolerance:  # NaN is a miss too
        return f"a probability is off by {off:.2g}, allowed is {tolerance:g}"
    second, first = np.sort(recorded)[-2:] if len(recorded) > 1 else (0.0, 1.0)
    if first - second > MARGIN and int(answered.argmax()) != int(recorded.argmax()):
        return "the label differs"
    return None
