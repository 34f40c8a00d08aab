"""Replay the golden samples in another runtime: an export whose answers differ from the bundle's is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from graft.bundle.golden import Golden
from graft.bundle.head_runner import concat_outputs
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle
from graft.bundle.replay import TOLERANCE, replay
from graft.errors import ReplayFailed
from graft.inputs.open_input import BatchArrays, Input, open_input
from graft.types import Float32Array

# Runs an exported model: a batch of n -> all its outputs by name: features [n,d], scores [n,k], novelty [n].
ExportRunner = Callable[[BatchArrays], Mapping[str, Float32Array]]


@dataclass(frozen=True, slots=True)
class Proof:
    """Result of a replay: the largest difference of the answers, and the tolerance."""

    runtime: str  # with its version
    samples: int
    off: float  # largest absolute difference of a score; of features, relative to their largest value
    allowed: float


def prove_export(bundle: Bundle, run: ExportRunner, runtime: str) -> Proof:
    """Replay the golden samples of `bundle` through `run`: one by one, then all in one batch.

    Raises:
        ReplayFailed: an answer differs; the message names the runtime and the first such answer.
    """
    layout, manifest, golden = bundle.layout, bundle.manifest, bundle.read_golden()
    tokenizer = layout.tokenizer.read_bytes() if layout.tokenizer.is_file() else None
    inputs = open_input(manifest.input, tokenizer)
    single = _ExportedModel(run, manifest)
    try:
        replay(golden, manifest, inputs, single.trunk, single.head)
        batch = _ExportedModel(_batch_runner(golden, inputs, run), manifest)
        replay(golden, manifest, inputs, batch.trunk, batch.head)
    except ReplayFailed as fault:
        raise ReplayFailed(f"{runtime} does not reproduce {layout.root}: {fault} Nothing was exported.") from None
    return Proof(
        runtime,
        len(golden.samples),
        max(single.max_difference(golden), batch.max_difference(golden)),
        _tolerance(manifest),
    )


class _ExportedModel:
    """Adapter of a whole model to `replay`, which calls the trunk and then the head."""

    def __init__(self, run: ExportRunner, manifest: Manifest) -> None:
        outputs = [tensor.name for tensor in manifest.signature.outputs]
        self._run, self._features, self._head_outputs = run, outputs[0], outputs[1:]
        self._label_count = len(manifest.labels)
        self._answers: Mapping[str, Float32Array] = {}
        self._first_rows: list[Float32Array] = []
        self.head = self._run_head if self._head_outputs else None

    def trunk(self, arrays: BatchArrays) -> Float32Array:
        """Run the model; return its features, float32 [n,d]."""
        self._answers = self._run(arrays)
        if not self._head_outputs:
            self._first_rows.append(self._answers[self._features][0])
        return self._answers[self._features]

    def _run_head(self, _: Float32Array) -> Float32Array:
        columns = concat_outputs([self._answers[name] for name in self._head_outputs])
        self._first_rows.append(columns[0])
        return columns

    def max_difference(self, golden: Golden) -> float:
        """Return the largest difference between the answers and the recorded ones, in the unit of `Proof.off`."""
        answers = np.stack(self._first_rows)
        if self._head_outputs:
            return float(np.abs(answers - golden.scores)[:, : self._label_count].max())
        return float(np.abs(answers - golden.features).max() / (np.abs(golden.features).max() or 1.0))


def _batch_runner(golden: Golden, inputs: Input, run: ExportRunner) -> ExportRunner:
    """Run all golden samples in one batch; return a runner that gives their answers one by one, in order."""
    arrays = inputs.batch([inputs(sample) for sample in golden.samples])
    answers = run(arrays)
    rows = iter(range(len(golden.samples)))

    def next_row(_: BatchArrays) -> Mapping[str, Float32Array]:
        row = next(rows)
        return {name: answer[row : row + 1] for name, answer in answers.items()}

    return next_row


def _tolerance(manifest: Manifest) -> float:
    return TOLERANCE[manifest.precision] * float(manifest.head.get("unit", 1.0))
