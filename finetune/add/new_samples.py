"""New samples for a model that knows others: whether they fit, which of them are new, and who of them measures."""

from __future__ import annotations

import dataclasses

import numpy as np

from finetune.add.existing_model import ExistingModel
from finetune.data.dataset import Dataset, SplitPart
from finetune.data.label_checks import check_class_counts, check_class_names, check_numeric_labels
from finetune.data.split import UNASSIGNED, Split, assign_parts, check_train_classes
from finetune.data.targets import Targets
from finetune.data.task import Task
from finetune.features.extract import Features
from graft.errors import DatasetError, RecipeError
from graft.progress import Progress


def check_compatible(existing: ExistingModel, dataset: Dataset) -> None:
    """Check that a model can be taught `dataset`.

    Raises:
        RecipeError: the samples are of another kind than the model takes.
        DatasetError: there are none, or two class names look the same.
    """
    kind, name = existing.manifest.sample_kind, existing.manifest.name
    if kind != ("pair" if dataset.texts_per_sample == 2 else dataset.kind):
        expects = {"image": "pictures", "text": "texts", "pair": "pairs of texts"}[kind]
        holds = "pairs of texts" if dataset.texts_per_sample == 2 else dataset.kind.plural
        raise RecipeError(f"{name} takes {expects}, but {dataset.source} holds {holds}. Give the data that it takes.")
    if not dataset.samples:
        raise DatasetError(f"{dataset.source} holds no samples that could be added to {name}.")
    if existing.task is Task.CLASSIFY:
        check_class_names(dataset.source, sorted({*existing.manifest.labels, *dataset.labels}))
    if existing.task is Task.REGRESS:
        check_numeric_labels(dataset.source, (*existing.old_samples(), *dataset.samples))


def select_new_samples(existing: ExistingModel, features: Features, source: str, progress: Progress) -> Features:
    """Return the samples that the model was not taught yet, each content once, and say what became of the others.

    Raises:
        DatasetError: none is new.
    """
    label_by_sha256 = dict(zip(existing.training_record.sha256, existing.training_record.labels, strict=True))
    seen: set[bytes] = set()
    rows, relabeled = [], []
    for row, (sha256, sample) in enumerate(zip(features.sha256, features.samples, strict=True)):
        if sha256 not in label_by_sha256 and sha256 not in seen:
            rows.append(row)
        elif label_by_sha256.get(sha256, sample.label) != sample.label:
            relabeled.append(sample.ref)
        seen.add(sha256)
    if relabeled:
        progress.log(
            f"{len(relabeled):,} samples are known to {existing.manifest.name} under another label ({relabeled[0]}, …) "
            "and keep that one; to change labels, fine-tune once more on all of the data."
        )
    if duplicate_count := len(features.samples) - len(rows) - len(relabeled):
        progress.log(f"{duplicate_count:,} samples are known already, or there twice: left out")
    if not rows:
        raise DatasetError(f"{existing.manifest.name} was taught all of {source} before: there is nothing to add.")
    return dataclasses.replace(
        features,
        samples=tuple(features.samples[row] for row in rows),
        sha256=tuple(features.sha256[row] for row in rows),
        x=features.x[np.array(rows)],
    )


def split_new_samples(existing: ExistingModel, features: Features, targets: Targets, source: str) -> Split:
    """Return the parts of all samples, the model's first: those stay where they were, the new ones share likewise.

    `targets` are the targets of all.

    Raises:
        DatasetError: a new class has too few samples, or none to train on.
    """
    old_parts = existing.training_record.parts
    strata = targets.strata[len(old_parts) :]
    if existing.task is Task.CLASSIFY:
        new = [sample for sample in features.samples if sample.label not in existing.manifest.labels]
        check_class_counts(source, new, "different usable samples")
    shares = {part: float((old_parts == part.value).mean()) for part in (SplitPart.VAL, SplitPart.TEST)}
    new_split = assign_parts(
        features.samples,
        features.sha256,
        strata,
        seed=existing.manifest.data["seed"],
        val=shares[SplitPart.VAL],
        test=shares[SplitPart.TEST],
    )
    # A data set's own split leaves a copy out whose twin is in another part; here each content is there once.
    parts = np.where(new_split.parts == UNASSIGNED, SplitPart.TRAIN.value, new_split.parts)
    method = existing.manifest.data["split"]
    full_split = Split(
        np.concatenate([old_parts, parts]), method if "; added" in method else f"{method}; added: in the same shares"
    )
    if existing.task is Task.CLASSIFY:
        check_train_classes(targets.strata, full_split)
    return full_split
