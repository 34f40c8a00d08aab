"""Golden samples of a bundle as each workload sends them, with the label that Graft itself gave."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.contender import MODEL, Workload
from graft.bundle.open_bundle import open_bundle
from graft.inputs.open_input import open_input


def golden(models: Path, workload: Workload) -> list[tuple[bytes, str]]:
    """Return (sample, label) of every golden sample of the workload's model in the repository `models`."""
    folder = models / MODEL[workload] / "1"
    bundle = open_bundle(folder)
    recorded = bundle.read_golden()
    labels = [bundle.manifest.labels[at] for at in recorded.scores.argmax(axis=1)]
    samples = list(recorded.samples)
    if workload.endswith("tensor"):
        inputs = open_input(bundle.manifest.input, None)
        samples = [inputs(sample).tobytes() for sample in samples]
    return list(zip(samples, labels, strict=True))
