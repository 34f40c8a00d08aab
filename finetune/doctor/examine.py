"""Run all checks on a dataset, the cheap ones first: before training, and for `finetune check`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Final

from finetune.data.dataset import DataOptions, Dataset, LabeledSample
from finetune.data.label_checks import check_numeric_labels, check_trainable
from finetune.data.load import read_dataset
from finetune.data.targets import build_targets
from finetune.data.task import Task, find_tag_separator, parse_tags
from finetune.doctor.class_checks import count_labels, find_similar_names
from finetune.doctor.duplicates import (
    MAX_DUPLICATE_GROUP_SIZE,
    canonical_labels,
    find_exact_duplicates,
    find_near_duplicates,
    find_split_leaks,
    is_contradiction,
)
from finetune.doctor.findings import DuplicateGroup, Findings
from finetune.doctor.label_errors import LabelFindings, examine_labels
from finetune.features.extract import Features, extract_features, with_text_pairs
from finetune.plan import resolve_backbone
from graft.errors import DatasetError
from graft.progress import Progress
from zoo.catalog.backbone import Precision
from zoo.trunks.trunk import Trunk

MAX_QUICK_SAMPLES: Final = 10_000  # up to which all checks take a few seconds (`python -m benchmarks.doctor speed`)


def examine(data: Dataset, features: Features, progress: Progress, max_samples: int | None = None) -> Findings:
    """Run all checks on `data` and its `features`.

    With more than `max_samples` samples, the checks for near duplicates and label errors are skipped: they would take
    minutes.
    """
    start = time.perf_counter()
    samples, task = features.samples, data.task
    exact_duplicates = find_exact_duplicates(features.sha256)
    labels = canonical_labels(task, samples)
    agreeing, contradictions = [
        tuple(one for one in exact_duplicates if is_contradiction(one, labels) is expected)
        for expected in (False, True)
    ]
    findings = Findings(
        source=data.source,
        kind=data.kind,
        texts_per_sample=data.texts_per_sample,
        task=task,
        target=data.target_name,
        samples=samples,
        skipped_samples=features.skipped_samples,
        misnamed_files=features.misnamed_files,
        exact_duplicates=agreeing,
        contradictions=contradictions,
        leaks=find_split_leaks(exact_duplicates, samples),
        similar_names=find_similar_names(names := _label_names(task, samples)),
        label_counts=count_labels(names),
    )
    if max_samples is not None and len(samples) > max_samples:
        omitted = (
            f"near duplicates and label errors among more than {max_samples:,} samples: `finetune check` looks for them"
        )
        findings = dataclasses.replace(findings, skipped_checks=(omitted,))
    else:
        findings = _examine_features(findings, data, features, exact_duplicates, progress)
    return dataclasses.replace(findings, seconds=time.perf_counter() - start)


def _examine_features(
    findings: Findings,
    data: Dataset,
    features: Features,
    exact_duplicates: Sequence[DuplicateGroup],
    progress: Progress,
) -> Findings:
    near_duplicates = find_near_duplicates(features.x, exact_duplicates, progress)
    near_rows = {row for group in near_duplicates for row in group.rows}
    other_duplicates = [group for group in exact_duplicates if group.rows[0] not in near_rows]
    findings = dataclasses.replace(
        findings,
        near_duplicates=near_duplicates,
        leaks=find_split_leaks((*other_duplicates, *near_duplicates), features.samples),
    )
    contents = list(features.sha256)
    for group in near_duplicates:
        for row in group.rows if len(group.rows) <= MAX_DUPLICATE_GROUP_SIZE else ():
            contents[row] = features.sha256[group.rows[0]]
    try:
        if data.task is Task.REGRESS:
            check_numeric_labels(data.source, features.samples)
        label_findings = examine_labels(
            data.task, features.x, build_targets(data.task, features.samples, data.target_name), contents
        )
    except DatasetError as fault:  # `load_and_examine` reports what makes training impossible
        label_findings = LabelFindings(skipped_checks=(f"label errors: {fault}",))
    return dataclasses.replace(
        findings,
        label_errors=label_findings.label_errors,
        confusable_classes=label_findings.confusable_classes,
        skipped_checks=label_findings.skipped_checks,
    )


def _label_names(task: Task, samples: Sequence[LabeledSample]) -> list[str]:
    """Return the classes of the samples, or all their tags; numbers have no names."""
    if task is Task.CLASSIFY:
        return [sample.label for sample in samples]
    if task is Task.TAG:
        separator = find_tag_separator({sample.label for sample in samples})
        return [tag for sample in samples for tag in parse_tags(sample.label, separator)]
    return []


def load_and_examine(
    data: str, options: DataOptions, backbone: str, precision: Precision | None, progress: Progress
) -> Findings:
    """Read the dataset `data`, extract its features and run all checks; what training would refuse is a finding, too.

    Raises:
        DatasetError: there are no samples to check.
        UnknownBackbone, RecipeError, WeightsError, TrunkError, MissingExtra: as `finetune.plan.make_plan`.
    """
    dataset = read_dataset(data, options, progress)
    chosen_backbone = resolve_backbone(backbone, dataset)
    if not dataset.samples:
        check_trainable(dataset)  # raises with the reason
    training_error = ""
    try:
        check_trainable(dataset)
    except DatasetError as fault:
        training_error = str(fault)
    for note in dataset.notes:
        progress.log(note)
    trunk = with_text_pairs(
        Trunk.from_backbone(chosen_backbone, precision or chosen_backbone.precision, progress), dataset.texts_per_sample
    )
    features = extract_features(trunk, dataset, 1.0, progress)
    findings = examine(dataset, features, progress)
    return dataclasses.replace(findings, training_error=training_error)
