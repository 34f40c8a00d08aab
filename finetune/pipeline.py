"""The training pipeline: dataset -> features -> head (-> deeper training) -> evaluation -> published bundle."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from finetune.add.training_record import training_record_file
from finetune.data.dataset import SplitPart
from finetune.deep.training_job import DeepRunResult
from finetune.doctor.examine import MAX_QUICK_SAMPLES, examine
from finetune.doctor.findings import Findings
from finetune.doctor.html_report import render_findings
from finetune.doctor.text_report import render_brief
from finetune.evaluate.evaluate_test_set import Evaluation, evaluate_test_set
from finetune.evaluate.golden_samples import choose_golden_samples, zoo_samples
from finetune.features.extract import extract_features, report_features, with_text_pairs
from finetune.head.fit import HeadOptions, fit_head
from finetune.plan import Plan
from finetune.recipe import Depth
from finetune.report import ReportContent, ReportSamples, render_report
from finetune.result import TrainedCandidate, TrainResult
from graft.bundle.golden import Golden
from graft.bundle.manifest import Manifest
from graft.bundle.publish import publish
from graft.inputs.text import TextInput
from graft.progress import Progress, SilentProgress
from zoo.trunks.trunk import Trunk

GOLDEN_SAMPLE_COUNT: Final = 8  # golden samples of a bundle, replayed whenever it is opened


def run_pipeline(plan: Plan, progress: Progress | None = None) -> TrainResult:
    """Carry out `plan` and publish the bundle; on failure nothing is published.

    Raises:
        DatasetError: too many samples are unusable, or a class has too few usable ones.
        TrunkError, WeightsError: the backbone's trunk could not be built, or its weights not fetched.
        TrainingFailed: training at the requested depth failed.
        ReplayFailed: the finished files do not reproduce the answers of the training run.
        PublishFailed: the bundle could not be written; earlier versions are unchanged.
    """
    started_at = time.monotonic()
    recipe, data, progress = plan.recipe, plan.dataset, progress or SilentProgress()
    for note in (*plan.warnings(), *data.notes):
        progress.log(note)

    trunk = with_text_pairs(Trunk.from_backbone(plan.backbone, plan.precision, progress), data.texts_per_sample)
    features = extract_features(trunk, data, recipe.max_bad, progress)  # x [n,d]
    report_features(features, progress)
    findings = examine(data, features, progress, max_samples=MAX_QUICK_SAMPLES)
    for line in render_brief(findings):
        progress.log(line)
    head_fit = fit_head(data, features, trunk.path, HeadOptions.from_recipe(recipe), progress)  # scores [n,k]
    probe = TrainedCandidate(Depth.PROBE, trunk, features, head_fit)
    if recipe.depth is Depth.PROBE:
        return _publish_best(plan, probe, findings)

    from finetune.deep.auto_depth import train_deeper  # Keras is not imported for a probe

    with train_deeper(plan, probe, started_at, progress) as best:
        return _publish_best(plan, best, findings)


def _publish_best(plan: Plan, best: TrainedCandidate, findings: Findings) -> TrainResult:
    """Evaluate the chosen candidate on the test part, used here for the only time; replay and publish it."""
    recipe, data, own = plan.recipe, plan.dataset, plan.recipe.own_samples
    trunk, features, head_fit = best.trunk, best.features, best.head_fit
    test = evaluate_test_set(data.task, head_fit, features)
    rows = test.rows if len(test.rows) else np.arange(len(features.samples))
    samples = (
        choose_golden_samples(features, rows, head_fit.targets.strata, GOLDEN_SAMPLE_COUNT)
        if own
        else zoo_samples(data.kind, data.texts_per_sample, GOLDEN_SAMPLE_COUNT)
    )
    golden = Golden.record(samples, trunk.inputs, trunk, head_fit.head_runner)
    manifest = _build_manifest(plan, best, test)
    tested = ReportSamples(test.samples, test.truth, test.scores, test.novelty)
    content = ReportContent(manifest, tested, features.skipped_samples, render_findings(findings, own_samples=own))
    bundle = publish(
        recipe.models,
        manifest,
        trunk=trunk.path,
        head=head_fit.head_onnx,
        golden=golden,
        extras={"report.html": render_report(content)}
        | _extra_files(best)
        | (training_record_file(features, head_fit.split) if own else {}),
    )
    return TrainResult(bundle, features, head_fit)


def _extra_files(best: TrainedCandidate) -> dict[str, bytes]:
    """Return the bundle's further files by name: the tokenizer of a text model, the Keras model of a deeper run."""
    inputs = best.trunk.inputs
    text = {"tokenizer.json": inputs.tokenizer_json} if isinstance(inputs, TextInput) else {}
    return text | ({"model.keras": best.deep_run.model_keras} if best.deep_run else {})


def _build_manifest(plan: Plan, best: TrainedCandidate, test: Evaluation) -> Manifest:
    recipe, backbone, trunk, head_fit = plan.recipe, plan.backbone, best.trunk, best.head_fit
    split = head_fit.split
    head_outputs = head_fit.head.outputs() if head_fit.head else ()
    empty_counts = {part.value: 0 for part in SplitPart}
    data: dict[str, Any] = {
        "source": Path(plan.dataset.source).name,
        "seed": recipe.seed,
        "split": split.method if split else "none",
        "counts": split.counts() if split else empty_counts,
        "skipped": len(best.features.skipped_samples),
    }
    return Manifest.for_trunk(
        trunk.inputs,
        trunk.signature,
        trunk.sha256,
        head_outputs,
        name=recipe.name,
        task=plan.dataset.task,
        labels=head_fit.targets.labels,
        backbone={
            "name": backbone.name,
            "weights_sha256": trunk.facts.get("weights_sha256"),
            "license": backbone.license,
            "restricts": backbone.restricts,
        },
        precision=plan.precision,
        depth=best.depth,
        head=head_fit.facts,
        metrics=test.metrics,
        data=data,
        training=_training_facts(best.deep_run) if best.deep_run else {},
        samples="user" if recipe.own_samples else "zoo",
    )


def _training_facts(deep_run: DeepRunResult) -> dict[str, Any]:
    """Return the manifest's record of a deeper run: its settings and the history of its epochs."""
    return deep_run.facts | {"history": [dataclasses.asdict(epoch) for epoch in deep_run.history]}
