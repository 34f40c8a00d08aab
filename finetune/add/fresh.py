"""New samples for a model that knows others: whether they fit, which of them are new, and who of them measures."""

from __future__ import annotations

import dataclasses

import numpy as np

from finetune.add.known import Known
from finetune.check import check_counts, check_names, check_numbers
from finetune.dataset import Dataset, Part
from finetune.features import Features
from finetune.split import NOBODY, Split, check_trained, parted
from finetune.targets import Targets
from finetune.tasks import Task
from zoo.errors import DatasetError, RecipeError
from zoo.progress import Progress


def check_fits(known: Known, data: Dataset) -> None:
    """Check that a model can be taught `data`.

    Raises:
        RecipeError: the samples are of another kind than the model takes.
        DatasetError: there are none, or two class names look the same.
    """
    spec, name = known.manifest.input, known.manifest.name
    if spec["kind"] != data.kind or (spec.get("texts") or 1) != data.texts:
        takes = {None: "pictures", 1: "texts", 2: "pairs of texts"}[spec.get("texts")]
        holds = "pairs of texts" if data.texts == 2 else data.kind.plural
        raise RecipeError(f"{name} takes {takes}, but {data.source} holds {holds}. Give the data that it takes.")
    if not data.samples:
        raise DatasetError(f"{data.source} holds no samples that could be added to {name}.")
    if known.task is Task.CLASSIFY:
        check_names(data.source, sorted({*known.manifest.labels, *data.labels}))
    if known.task is Task.REGRESS:
        check_numbers(data.source, (*known.samples(), *data.samples))


def only_new(known: Known, features: Features, source: str, progress: Progress) -> Features:
    """Return the samples that the model was not taught yet, each content once, and say what became of the others.

    Raises:
        DatasetError: none is new.
    """
    taught = dict(zip(known.examples.sha256, known.examples.labels, strict=True))
    seen: set[bytes] = set()
    rows, otherwise = [], []
    for row, (sha256, sample) in enumerate(zip(features.sha256, features.samples, strict=True)):
        if sha256 not in taught and sha256 not in seen:
            rows.append(row)
        elif taught.get(sha256, sample.label) != sample.label:
            otherwise.append(sample.ref)
        seen.add(sha256)
    if otherwise:
        progress.say(
            f"{len(otherwise):,} samples are known to {known.manifest.name} under another label ({otherwise[0]}, …) "
            "and keep that one; to change labels, fine-tune once more on all of the data."
        )
    if double := len(features.samples) - len(rows) - len(otherwise):
        progress.say(f"{double:,} samples are known already, or there twice: left out")
    if not rows:
        raise DatasetError(f"{known.manifest.name} was taught all of {source} before: there is nothing to add.")
    return dataclasses.replace(
        features,
        samples=tuple(features.samples[row] for row in rows),
        sha256=tuple(features.sha256[row] for row in rows),
        x=features.x[np.array(rows)],
    )


def shared_out(known: Known, features: Features, aims: Targets, source: str) -> Split:
    """Return the parts of all samples, the model's first: those stay where they were, the new ones share likewise.

    `aims` are the targets of all.

    Raises:
        DatasetError: a new class has too few samples, or none to train on.
    """
    old = known.examples.parts
    strata = aims.strata[len(old) :]
    if known.task is Task.CLASSIFY:
        new = [sample for sample in features.samples if sample.label not in known.manifest.labels]
        check_counts(source, new, "different usable samples")
    shares = {part: float((old == part.value).mean()) for part in (Part.VAL, Part.TEST)}
    made = parted(
        features.samples,
        features.sha256,
        strata,
        seed=known.manifest.data["seed"],
        val=shares[Part.VAL],
        test=shares[Part.TEST],
    )
    # A data set's own split leaves a copy out whose twin is in another part; here each content is there once.
    parts = np.where(made.parts == NOBODY, Part.TRAIN.value, made.parts)
    kind = known.manifest.data["split"]
    whole = Split(np.concatenate([old, parts]), kind if "; added" in kind else f"{kind}; added: in the same shares")
    if known.task is Task.CLASSIFY:
        check_trained(aims.strata, whole)
    return whole
