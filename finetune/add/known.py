"""A model that is to learn more: what it was taught, with the features of that from the cache."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.cache import FeatureCache, cache_path
from finetune.dataset import Part, Sample, Wanted, find
from finetune.examples import NAME, Examples
from finetune.features import Features, extract
from finetune.rows import room
from finetune.split import NOBODY
from finetune.tasks import Task
from zoo.bundle import Bundle, model_names, open_bundle, versions
from zoo.errors import DatasetError, RecipeError
from zoo.inputs import open_input
from zoo.manifest import Manifest
from zoo.progress import Progress
from zoo.signature import Signature
from zoo.trunk import Trunk

Floats = NDArray[np.float32]

GONE: Final = Path(".taught-earlier")  # where the samples of earlier runs would lie; no file is called that


@dataclass(frozen=True, slots=True)
class Known:
    """A model, its own trunk, and what it was taught; samples that were left out then are left out."""

    bundle: Bundle
    trunk: Trunk
    examples: Examples

    @property
    def manifest(self) -> Manifest:
        """What the model says of itself."""
        return self.bundle.manifest

    @property
    def task(self) -> Task:
        """What it answers."""
        return Task(self.manifest.task)

    def samples(self) -> tuple[Sample, ...]:
        """Return what it was taught as samples; their bytes are not at hand."""
        own = self.manifest.data["split"].startswith("the data's own")
        return tuple(
            Sample(f"taught earlier, {sha256.hex()[:12]}", label, Part(str(part)) if own else None, GONE / sha256.hex())
            for sha256, label, part in zip(
                self.examples.sha256, self.examples.labels, self.examples.parts.tolist(), strict=True
            )
        )


def open_known(models: Path, name: str) -> Known:
    """Open the newest version of a model.

    Raises:
        RecipeError: there is none of that name; it answers with features; or it does not tell what it was taught.
        BundleError: it is not whole.
    """
    numbers = versions(models, name)
    if not numbers:
        near = difflib.get_close_matches(name, model_names(models), 1)
        there = f"Is {near[0]!r} meant?" if near else f"There are: {', '.join(model_names(models)) or 'none'}."
        raise RecipeError(f"there is no model {name!r} in {models}. {there} --models names another folder.")
    bundle = open_bundle(models / name / str(numbers[-1]))
    manifest, where = bundle.manifest, f"{name} version {bundle.manifest.version}"
    if manifest.task == Task.EMBED:
        raise RecipeError(f"{where} answers with features; it has no head that could learn more.")
    if manifest.head.get("kind") == "published":
        raise RecipeError(
            f"{where} has its publisher's own classifier, which learns nothing more. Use `finetune` on your data."
        )
    if NAME not in manifest.files:
        raise RecipeError(
            f"{where} does not tell what it was taught: it was made with --no-samples, or by an earlier Graft. "
            "Fine-tune once more on all of the data."
        )
    tokenizer = bundle.layout.tokenizer.read_bytes() if bundle.layout.tokenizer.is_file() else None
    inputs = open_input({key: value for key, value in manifest.input.items() if key != "decoder_version"}, tokenizer)
    signature = Signature(manifest.signature.inputs, manifest.signature.outputs[:1])
    trunk = Trunk(bundle.layout.trunk, manifest.trunk_sha256, signature, inputs, {})
    path = bundle.layout.root / NAME
    return Known(bundle, trunk, _without_left_out(Examples.of_npz(path.read_bytes(), str(path))))


def remembered(known: Known, old: str | None, wanted: Wanted, max_bad: float, progress: Progress) -> Floats:
    """Return the features of what a model was taught, float32 [n,d]: from the cache, else from the data `old`.

    Raises:
        DatasetError: some are in neither.
    """
    sha256, width = known.examples.sha256, known.trunk.signature.outputs[0].shape[-1]
    x = room(len(sha256), width)
    lost: list[int] = []
    path = cache_path(known.trunk.inputs.spec(), known.trunk.sha256)
    with FeatureCache(path, width, progress) as cache:
        for row, key in enumerate(sha256):
            found = cache.get(key)
            if found is None:
                lost.append(row)
            else:
                x[row] = found
    if lost:
        again = _extracted(known, lost, old, wanted, max_bad, progress)
        at = {key: row for row, key in enumerate(again.sha256)}
        for row in lost:
            x[row] = again.x[at[sha256[row]]]
    return x


def _extracted(
    known: Known, lost: list[int], old: str | None, wanted: Wanted, max_bad: float, progress: Progress
) -> Features:
    """Return the features of `old`, which must hold all that is lost."""
    total, source = len(known.examples.sha256), known.manifest.data["source"]
    missing = f"of the {total:,} samples that {known.manifest.name} was taught, the features of {len(lost):,}"
    if old is None:
        raise DatasetError(
            f"{missing} are no longer in the feature cache. Give that data once more: --data {source}, or where it "
            "lies now; or set GRAFT_CACHE to the cache that was used."
        )
    again = extract(known.trunk, find(old, wanted, progress), max_bad, progress)
    if absent := {known.examples.sha256[row] for row in lost} - set(again.sha256):
        raise DatasetError(
            f"{missing} are no longer in the feature cache, and {old} does not hold {len(absent):,} of those: other "
            "files, or changed ones. Give the data as it was, or fine-tune once more on all of it."
        )
    return again


def _without_left_out(examples: Examples) -> Examples:
    kept = np.flatnonzero(examples.parts != NOBODY).tolist()
    return Examples(
        tuple(examples.sha256[row] for row in kept), tuple(examples.labels[row] for row in kept), examples.parts[kept]
    )
