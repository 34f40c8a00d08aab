"""The new samples of `finetune add`: check that they fit the model, drop those it was trained on, split the rest."""

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
    """Check that the samples of `dataset` can be added to a model.

    Raises:
        RecipeError: the model takes samples of another kind.
        DatasetError: there are none, two class names look the same, or labels are not numbers for a regression.
    """
    kind, name = existing.manifest.sample_kind, existing.manifest.name
    if kind != ("pair" if dataset.texts_per_sample == 2 else dataset.kind):
        expects = {"image": "images", "text": "texts", "pair": "pairs of texts"}[kind]
        holds = "pairs of texts" if dataset.texts_per_sample == 2 else dataset.kind.plural
        raise RecipeError(f"{name} takes {expects}, but {dataset.source} holds {holds}. Pass data of that kind.")
    if not dataset.samples:
        raise DatasetError(f"{dataset.source} holds no samples to add to {name}.")
    if existing.task is Task.CLASSIFY:
        check_class_names(dataset.source, sorted({*existing.manifest.labels, *dataset.labels}))
    if existing.task is Task.REGRESS:
        check_numeric_labels(dataset.source, (*existing.old_samples(), *dataset.samples))


def select_new_samples(existing: ExistingModel, features: Features, source: str, progress: Progress) -> Features:
    """Return the samples that the model was not trained on, each content once; log how many were left out.

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
            f"{len(relabeled):,} samples have another label in {existing.manifest.name} ({relabeled[0]}, …) and keep "
            "it; to change labels, fine-tune again on all of the data."
        )
    if duplicate_count := len(features.samples) - len(rows) - len(relabeled):
        progress.log(f"{duplicate_count:,} samples are duplicates, or were trained on before: left out")
    if not rows:
        raise DatasetError(f"{existing.manifest.name} was already trained on all of {source}: there is nothing to add.")
    return dataclasses.replace(
        features,
        samples=tuple(features.samples[row] for row in rows),
        sha256=tuple(features.sha256[row] for row in rows),
        x=features.x[np.array(rows)],
    )


def split_new_samples(existing: ExistingModel, features: Features, targets: Targets, source: str) -> Split:
    """Return the split of all samples, old ones first: those keep their parts, new ones are split in the same shares.

    `targets` are those of all samples, old and new.

    Raises:
        DatasetError: a new class has too few samples, or none in the train part.
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
    # A dataset's own split leaves out copies from other parts; here each content occurs once, so none is left out.
    parts = np.where(new_split.parts == UNASSIGNED, SplitPart.TRAIN.value, new_split.parts)
    method = existing.manifest.data["split"]
    full_split = Split(
        np.concatenate([old_parts, parts]), method if "; added" in method else f"{method}; added: in the same shares"
    )
    if existing.task is Task.CLASSIFY:
        check_train_classes(targets.strata, full_split)
    return full_split
