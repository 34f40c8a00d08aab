"""Golden samples through another runtime: what is exported answers as the bundle does, or is thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from zoo.bundle import Bundle
from zoo.columns import together
from zoo.errors import ReplayFailed
from zoo.golden import Floats, Golden
from zoo.inputs import Arrays, Input, open_input
from zoo.manifest import Manifest
from zoo.replay import TOLERANCE, replay

Run = Callable[[Arrays], Mapping[str, Floats]]  # a batch of n -> every output of the whole model, by name


@dataclass(frozen=True, slots=True)
class Proof:
    """What was replayed, and how far the answers moved."""

    runtime: str  # what answered, with its version
    samples: int
    off: float  # of a score, at most; of an embedding, of its largest number
    allowed: float


def prove(bundle: Bundle, run: Run, runtime: str) -> Proof:
    """Replay the golden samples of `bundle` through `run`: one by one, then all in one batch.

    Raises:
        ReplayFailed: it answers otherwise; the message names the runtime and the first answer that differs.
    """
    layout, manifest, golden = bundle.layout, bundle.manifest, bundle.golden()
    tokenizer = layout.tokenizer.read_bytes() if layout.tokenizer.is_file() else None
    inputs = open_input(manifest.input, tokenizer)
    alone = _Whole(run, manifest)
    try:
        replay(golden, manifest, inputs, alone.trunk, alone.head)
        batch = _Whole(_in_one_batch(golden, inputs, run), manifest)
        replay(golden, manifest, inputs, batch.trunk, batch.head)
    except ReplayFailed as fault:
        raise ReplayFailed(f"{runtime} does not repeat {layout.root}: {fault} Nothing was exported.") from None
    return Proof(runtime, len(golden.samples), max(alone.off(golden), batch.off(golden)), _allowed(manifest))


class _Whole:
    """A whole model, asked as `replay` asks: for the features, then for what the head makes of those."""

    def __init__(self, run: Run, manifest: Manifest) -> None:
        outputs = [tensor.name for tensor in manifest.signature.outputs]
        self._run, self._features, self._gives = run, outputs[0], outputs[1:]
        self._labels = len(manifest.labels)
        self._answers: Mapping[str, Floats] = {}
        self._said: list[Floats] = []
        self.head = self._head if self._gives else None

    def trunk(self, arrays: Arrays) -> Floats:
        """Run the model; return its features."""
        self._answers = self._run(arrays)
        if not self._gives:
            self._said.append(self._answers[self._features][0])
        return self._answers[self._features]

    def _head(self, _: Floats) -> Floats:
        columns = together([self._answers[name] for name in self._gives])
        self._said.append(columns[0])
        return columns

    def off(self, golden: Golden) -> float:
        """Return how far what was said is from what is on record, at most."""
        said = np.stack(self._said)
        if self._gives:
            return float(np.abs(said - golden.scores)[:, : self._labels].max())
        return float(np.abs(said - golden.features).max() / (np.abs(golden.features).max() or 1.0))


def _in_one_batch(golden: Golden, inputs: Input, run: Run) -> Run:
    """Return a run that answers the golden samples in their order, all asked together."""
    arrays = inputs.batch([inputs(sample) for sample in golden.samples])
    answers = run(arrays)
    rows = iter(range(len(golden.samples)))

    def next_row(_: Arrays) -> Mapping[str, Floats]:
        row = next(rows)
        return {name: answer[row : row + 1] for name, answer in answers.items()}

    return next_row


def _allowed(manifest: Manifest) -> float:
    return TOLERANCE[manifest.precision] * float(manifest.head.get("unit", 1.0))
