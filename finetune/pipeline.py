"""Dataset -> bundle: the whole story of a fine-tuning on one screen."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

import zoo
from finetune.attempt import Attempt
from finetune.dataset import Part
from finetune.doctor.examine import QUICK, examine
from finetune.doctor.findings import Findings
from finetune.doctor.section import section
from finetune.doctor.telling import brief
from finetune.examples import taught
from finetune.features import extract
from finetune.learn import learn
from finetune.lesson import Deepened
from finetune.measuring import Tested, tested
from finetune.plan import Plan
from finetune.proof import golden_samples, prove
from finetune.reading import reading
from finetune.report import Outcome, Story, render
from finetune.result import Result
from finetune.samples import zoo_samples
from finetune.tell import tell
from finetune.training import Depth
from zoo.golden import Golden
from zoo.manifest import Manifest
from zoo.progress import Progress, Silence
from zoo.publish import publish
from zoo.signature import Signature
from zoo.text import TextInput
from zoo.trunk import Trunk

GOLDEN: Final = 8  # samples that every bundle carries with their answers


def train(plan: Plan, progress: Progress | None = None) -> Result:
    """Carry out `plan` and publish a bundle, whole or not at all.

    Raises:
        DatasetError: too many samples are unusable, or too few are left of a class.
        TrunkError, WeightsError: there is no trunk for the backbone.
        TrainingFailed: the depth that was asked for could not be reached.
        ReplayFailed: the finished files do not repeat what training saw.
        PublishFailed: the bundle could not be written; earlier versions are unchanged.
    """
    begun = time.monotonic()
    recipe, data, progress = plan.recipe, plan.dataset, progress or Silence()
    for note in (*plan.warnings(), *data.notes):
        progress.say(note)

    trunk = reading(Trunk.of(plan.backbone, plan.precision, progress), data.texts)
    features = extract(trunk, data, recipe.max_bad, progress)  # x [n,d]
    tell(features, progress)
    findings = examine(data, features, progress, most=QUICK)
    for line in brief(findings):
        progress.say(line)
    probe = Attempt(Depth.PROBE, trunk, features, learn(plan, trunk.path, features, progress))
    if recipe.depth is Depth.PROBE:
        return _published(plan, probe, findings)

    from finetune.deepening import deepened  # Keras is not imported for a probe

    with deepened(plan, probe, begun, progress) as best:
        return _published(plan, best, findings)


def _published(plan: Plan, best: Attempt, findings: Findings) -> Result:
    """Measure what was chosen on the test part, the one time that this is looked at; prove and publish it."""
    recipe, data, own = plan.recipe, plan.dataset, plan.recipe.own_samples
    trunk, features, learnt = best.trunk, best.features, best.learnt
    test = tested(data.task, learnt, features)
    rows = test.rows if len(test.rows) else np.arange(len(features.samples))
    samples = (
        golden_samples(features, rows, learnt.targets.strata, GOLDEN)
        if own
        else zoo_samples(data.kind, data.texts, GOLDEN)
    )
    golden = Golden.of(samples, trunk.inputs, trunk, learnt.answer)
    manifest = _manifest(plan, best, test)
    prove(golden, manifest, trunk, learnt.head_onnx)
    outcome = Outcome(test.samples, test.truth, test.scores, test.novelty)
    story = Story(manifest, outcome, features.bad, section(findings, own=own))
    bundle = publish(
        recipe.models,
        manifest,
        trunk=trunk.path,
        head=learnt.head_onnx,
        golden=golden,
        extras={"report.html": render(story)} | _extras(best) | (taught(features, learnt.split) if own else {}),
    )
    return Result(bundle, features, learnt)


def _extras(best: Attempt) -> dict[str, bytes]:
    """Return the further files of a bundle by name: what reads texts, and what Keras trained."""
    inputs = best.trunk.inputs
    text = {"tokenizer.json": inputs.tokenizer_json} if isinstance(inputs, TextInput) else {}
    return text | ({"model.keras": best.deepened.model_keras} if best.deepened else {})


def _manifest(plan: Plan, best: Attempt, test: Tested) -> Manifest:
    recipe, backbone, trunk, learnt = plan.recipe, plan.backbone, best.trunk, best.learnt
    split = learnt.split
    gives = learnt.head.outputs() if learnt.head else ()
    whole = {part.value: 0 for part in Part}
    data: dict[str, Any] = {
        "source": Path(plan.dataset.source).name,
        "seed": recipe.seed,
        "split": split.kind if split else "none",
        "counts": split.counts() if split else whole,
        "skipped": len(best.features.bad),
    }
    return Manifest(
        name=recipe.name,
        task=plan.dataset.task,
        labels=learnt.targets.labels,
        backbone={
            "name": backbone.name,
            "weights_sha256": trunk.facts.get("weights_sha256"),
            "license": backbone.license,
            "restricts": backbone.restricts,
        },
        precision=plan.precision,
        depth=best.depth,
        input=trunk.inputs.spec() | {"decoder_version": trunk.inputs.version()},
        signature=Signature(trunk.signature.inputs, (*trunk.signature.outputs, *gives)),
        trunk_sha256=trunk.sha256,
        head=learnt.facts,
        metrics=test.metrics,
        data=data,
        training=_training(best.deepened) if best.deepened else {},
        samples="user" if recipe.own_samples else "zoo",
        graft=zoo.__version__,
    )


def _training(deepened: Deepened) -> dict[str, Any]:
    """Return what the manifest says of how the trunk was trained."""
    return deepened.facts | {"history": [dataclasses.asdict(epoch) for epoch in deepened.history]}
