"""The existing model of `finetune add`: its newest bundle, its training record, and its old features from the cache."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from finetune.add.training_record import RECORD_FILE, TrainingRecord
from finetune.data.dataset import DataOptions, LabeledSample, SplitPart
from finetune.data.load import read_dataset
from finetune.data.split import UNASSIGNED
from finetune.data.task import Task
from finetune.features.extract import Features, extract_features
from finetune.features.feature_cache import FeatureCache, feature_cache_path
from finetune.features.memmap_rows import allocate_rows
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle, open_bundle
from graft.bundle.repository import model_names, model_versions
from graft.bundle.signature import Signature
from graft.errors import DatasetError, RecipeError
from graft.inputs.open_input import open_input
from graft.progress import Progress
from graft.types import Float32Array
from zoo.trunks.trunk import Trunk

PLACEHOLDER_FOLDER: Final = Path(".trained-earlier")  # of old samples, whose files are not available; does not exist


@dataclass(frozen=True, slots=True)
class ExistingModel:
    """A published model, its trunk, and the record of the samples that it was trained on."""

    bundle: Bundle
    trunk: Trunk
    training_record: TrainingRecord

    @property
    def manifest(self) -> Manifest:
        """The manifest of the newest version."""
        return self.bundle.manifest

    @property
    def task(self) -> Task:
        """The task of the model."""
        return Task(self.manifest.task)

    def old_samples(self) -> tuple[LabeledSample, ...]:
        """Return the samples that it was trained on; their bytes cannot be read."""
        has_own_split = self.manifest.data["split"].startswith("the data's own")
        return tuple(
            LabeledSample(
                f"trained earlier, {sha256.hex()[:12]}",
                label,
                SplitPart(str(part)) if has_own_split else None,
                PLACEHOLDER_FOLDER / sha256.hex(),
            )
            for sha256, label, part in zip(
                self.training_record.sha256,
                self.training_record.labels,
                self.training_record.parts.tolist(),
                strict=True,
            )
        )


def open_existing_model(models: Path, name: str) -> ExistingModel:
    """Open the newest version of a model.

    Raises:
        RecipeError: there is none of that name; it has no head of its own to refit; or it has no training record.
        BundleError: the bundle is incomplete or damaged.
    """
    version_numbers = model_versions(models, name)
    if not version_numbers:
        similar_names = difflib.get_close_matches(name, model_names(models), 1)
        hint = (
            f"Did you mean {similar_names[0]!r}?"
            if similar_names
            else f"There are: {', '.join(model_names(models)) or 'none'}."
        )
        raise RecipeError(f"there is no model {name!r} in {models}. {hint} Use --models for another folder.")
    bundle = open_bundle(models / name / str(version_numbers[-1]))
    manifest, model_version = bundle.manifest, f"{name} version {bundle.manifest.version}"
    if manifest.task == Task.EMBED:
        raise RecipeError(f"{model_version} has the task embed and no head, so nothing can be added to it.")
    if manifest.head.get("kind") == "published":
        raise RecipeError(
            f"{model_version} has its publisher's own classifier, which cannot be refitted. Use `finetune` instead."
        )
    if RECORD_FILE not in manifest.files:
        raise RecipeError(
            f"{model_version} has no record of its training samples: it was trained with --no-samples, or by an "
            "earlier Graft. Fine-tune again on all of the data."
        )
    tokenizer = bundle.layout.tokenizer.read_bytes() if bundle.layout.tokenizer.is_file() else None
    inputs = open_input({key: value for key, value in manifest.input.items() if key != "decoder_version"}, tokenizer)
    signature = Signature(manifest.signature.inputs, manifest.signature.outputs[:1])
    trunk = Trunk(bundle.layout.trunk, manifest.trunk_sha256, signature, inputs, {})
    path = bundle.layout.root / RECORD_FILE
    return ExistingModel(bundle, trunk, _drop_unassigned(TrainingRecord.from_npz(path.read_bytes(), str(path))))


def load_old_features(
    existing: ExistingModel, old_data: str | None, options: DataOptions, max_bad: float, progress: Progress
) -> Float32Array:
    """Return the features of the n samples that a model was trained on, float32 [n,d].

    They come from the feature cache; those that are missing there are extracted from `old_data`.

    Raises:
        DatasetError: some are in neither.
    """
    sha256, width = existing.training_record.sha256, existing.trunk.signature.outputs[0].shape[-1]
    x = allocate_rows(len(sha256), width)
    missing_rows: list[int] = []
    path = feature_cache_path(existing.trunk.inputs.spec(), existing.trunk.sha256)
    with FeatureCache(path, width, progress) as cache:
        for row, key in enumerate(sha256):
            cached = cache.get(key)
            if cached is None:
                missing_rows.append(row)
            else:
                x[row] = cached
    if missing_rows:
        extracted = _extract_missing(existing, missing_rows, old_data, options, max_bad, progress)
        row_by_sha256 = {key: row for row, key in enumerate(extracted.sha256)}
        for row in missing_rows:
            x[row] = extracted.x[row_by_sha256[sha256[row]]]
    return x


def _extract_missing(
    existing: ExistingModel,
    missing_rows: list[int],
    old_data: str | None,
    options: DataOptions,
    max_bad: float,
    progress: Progress,
) -> Features:
    """Return the features of `old_data`, which must contain all samples that are missing in the cache."""
    total, source = len(existing.training_record.sha256), existing.manifest.data["source"]
    problem = f"{existing.manifest.name} was trained on {total:,} samples, and the features of {len(missing_rows):,}"
    if old_data is None:
        raise DatasetError(
            f"{problem} are no longer in the feature cache. Pass that data again with --data {source}, or its new "
            "path; or set GRAFT_CACHE to the cache that was used."
        )
    features = extract_features(existing.trunk, read_dataset(old_data, options, progress), max_bad, progress)
    if absent := {existing.training_record.sha256[row] for row in missing_rows} - set(features.sha256):
        raise DatasetError(
            f"{problem} are no longer in the feature cache, and {old_data} lacks {len(absent):,} of those: it has "
            "other or changed files. Pass the data as it was, or fine-tune again on all of it."
        )
    return features


def _drop_unassigned(record: TrainingRecord) -> TrainingRecord:
    rows = np.flatnonzero(record.parts != UNASSIGNED).tolist()
    return TrainingRecord(
        tuple(record.sha256[row] for row in rows), tuple(record.labels[row] for row in rows), record.parts[rows]
    )
