"""`finetune add`: new samples, also of new classes, become a new version of a model; only its head is refitted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import graft
from finetune.add.comparison import compare_versions
from finetune.add.existing_model import ExistingModel, load_old_features, open_existing_model
from finetune.add.new_samples import check_compatible, select_new_samples, split_new_samples
from finetune.add.training_record import training_record_file
from finetune.data.dataset import DataOptions, Dataset
from finetune.data.load import read_dataset
from finetune.data.targets import Targets, build_targets
from finetune.evaluate.evaluate_test_set import Evaluation, evaluate_test_set
from finetune.evaluate.golden_samples import choose_golden_samples
from finetune.features.extract import Features, extract_features, report_features
from finetune.features.memmap_rows import allocate_rows
from finetune.head import Grid
from finetune.head.fit import HEAD_FITTERS, HeadFit, HeadOptions, fit_head
from finetune.pipeline import GOLDEN_SAMPLE_COUNT
from finetune.report import ReportContent, ReportSamples, render_report
from graft.bundle.golden import Golden
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle
from graft.bundle.publish import publish
from graft.bundle.repository import require_writable_repository
from graft.bundle.signature import Signature, TensorSpec
from graft.progress import Progress, SilentProgress
from graft.types import Float32Array

MAX_NEW_GOLDEN_SAMPLES: Final = 4  # golden samples from the new data; the others are the old bundle's


@dataclass(frozen=True, slots=True)
class AddResult:
    """The new version of a model, the version before it, and the features of the new samples."""

    bundle: Bundle
    previous_bundle: Bundle
    features: Features  # of the new samples only

    @property
    def comparison(self) -> dict[str, Any]:
        """The metrics of both versions on the old test part and on the new one; see `compare_versions`."""
        comparison: dict[str, Any] = self.bundle.manifest.metrics["added"]
        return comparison


def add_samples(
    data: str | Dataset,
    models: Path,
    model: str,
    options: DataOptions | None = None,
    *,
    old_data: str | None = None,
    max_bad: float = 0.05,
    progress: Progress | None = None,
) -> AddResult:
    """Refit the head of the newest version of `model` with the samples of `data` added, and publish the next version.

    Args:
        data: new samples of old or new classes, in any form that `finetune` reads.
        models: the model repository.
        model: the name of the model.
        options: how to read the data; the task is the model's.
        old_data: the data it was trained on, needed if their features are no longer in the cache.
        max_bad: share of the samples that may be unusable.
        progress: receives log lines and progress bars.

    Raises:
        RecipeError: there is no such model, or `data` do not fit it.
        DatasetError: the data cannot be used, or contain nothing new.
        PublishFailed: the version could not be written; earlier versions are unchanged.
    """
    progress = progress or SilentProgress()
    existing = open_existing_model(models, model)
    require_writable_repository(models)
    options = dataclasses.replace(options or DataOptions(), task=existing.task)
    dataset = read_dataset(data, options, progress)
    for note in dataset.notes:
        progress.log(note)
    check_compatible(existing, dataset)
    old_x = load_old_features(existing, old_data, options, max_bad, progress)  # [n,d]
    features = extract_features(existing.trunk, dataset, max_bad, progress)  # x [m,d]
    report_features(features, progress)
    features = select_new_samples(existing, features, dataset.source, progress)
    all_features = _concatenate_features(existing, old_x, features)  # x [n+m,d]
    head_fit = _refit_head(existing, all_features, features, dataset, progress)
    return _publish_version(models, existing, old_x, all_features, features, head_fit, dataset.source)


def _concatenate_features(existing: ExistingModel, old_x: Float32Array, features: Features) -> Features:
    """Return the features of the old samples followed by the new ones."""
    n = len(old_x)
    x = allocate_rows(n + len(features.x), old_x.shape[1])
    x[:n], x[n:] = old_x, features.x
    return dataclasses.replace(
        features,
        samples=(*existing.old_samples(), *features.samples),
        sha256=(*existing.training_record.sha256, *features.sha256),
        x=x,
    )


def _refit_head(
    existing: ExistingModel, all_features: Features, features: Features, dataset: Dataset, progress: Progress
) -> HeadFit:
    """Refit the head; its hyper-parameters are searched near the old head's, as these are nearly best for all."""
    manifest, task = existing.manifest, existing.task
    targets: Targets = build_targets(task, all_features.samples, manifest.labels[0])
    for note in targets.notes:
        progress.log(note)
    split = split_new_samples(existing, features, targets, dataset.source)
    old_head = manifest.head
    strength = old_head.get(HEAD_FITTERS[task].strength_field)
    grid = Grid.around(old_head["power"], strength) if strength and "power" in old_head else None
    unknown_at = old_head["novelty"]["known"] if "novelty" in old_head else None
    options = HeadOptions(grid=grid, unknown_at=unknown_at)
    return fit_head(dataset, all_features, existing.trunk.path, options, progress, targets=targets, split=split)


def _publish_version(
    models: Path,
    existing: ExistingModel,
    old_x: Float32Array,
    all_features: Features,
    features: Features,
    head_fit: HeadFit,
    source: str,
) -> AddResult:
    """Evaluate, replay and publish the new version."""
    test = evaluate_test_set(existing.task, head_fit, all_features)
    manifest = _build_next_manifest(existing, all_features, features, head_fit, test, source)
    manifest = dataclasses.replace(
        manifest, metrics=test.metrics | {"added": compare_versions(existing, old_x, head_fit, test)}
    )
    golden = Golden.record(
        _choose_golden_samples(existing, features, head_fit),
        existing.trunk.inputs,
        existing.trunk,
        head_fit.head_runner,
    )
    tested = ReportSamples(test.samples, test.truth, test.scores, test.novelty)
    report = render_report(ReportContent(manifest, tested, features.skipped_samples))
    tokenizer = existing.bundle.layout.tokenizer
    bundle = publish(
        models,
        manifest,
        trunk=existing.trunk.path,
        head=head_fit.head_onnx,
        golden=golden,
        extras={"report.html": report}
        | training_record_file(all_features, head_fit.split)
        | ({tokenizer.name: tokenizer.read_bytes()} if tokenizer.is_file() else {}),
    )
    return AddResult(bundle, existing.bundle, features)


def _choose_golden_samples(existing: ExistingModel, features: Features, head_fit: HeadFit) -> list[bytes]:
    """Return golden samples from the old bundle and from the new samples, preferring their test part."""
    n = len(existing.training_record.sha256)
    assert head_fit.split  # noqa: S101  # for mypy: every model with a training record was split
    strata = head_fit.targets.strata[n:]
    test_rows = np.flatnonzero(head_fit.split.parts[n:] == "test")
    rows = test_rows if len(test_rows) else np.arange(len(features.samples))
    new = choose_golden_samples(features, rows, strata, MAX_NEW_GOLDEN_SAMPLES)
    return [*existing.bundle.read_golden().samples[: GOLDEN_SAMPLE_COUNT - len(new)], *new]


def _build_next_manifest(
    existing: ExistingModel,
    all_features: Features,
    features: Features,
    head_fit: HeadFit,
    test: Evaluation,
    source: str,
) -> Manifest:
    """Return the model's manifest with the new labels, head, metrics and data."""
    old, labels = existing.manifest, head_fit.targets.labels
    assert head_fit.split  # noqa: S101
    outputs = tuple(
        TensorSpec(one.name, one.dtype, (-1, len(labels))) if one.name == "scores" else one
        for one in old.signature.outputs
    )
    step = {
        "source": Path(source).name,
        "from_version": old.version,
        "samples": len(features.samples),
        "new_labels": [label for label in labels if label not in old.labels],
    }
    data = old.data | {
        "split": head_fit.split.method,
        "counts": head_fit.split.counts(),
        "skipped": old.data["skipped"] + len(features.skipped_samples),
        "added": [*old.data.get("added", []), step],
    }
    return dataclasses.replace(
        old,
        labels=labels,
        input=existing.trunk.inputs.spec() | {"decoder_version": existing.trunk.inputs.decoder_version()},
        signature=Signature(old.signature.inputs, outputs),
        head=head_fit.facts,
        metrics=test.metrics,
        data=data,
        graft=graft.__version__,
    )
