"""Dataset -> bundle: the whole story of a fine-tuning on one screen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import zoo
from finetune.dataset import Part
from finetune.features import Features, extract
from finetune.learn import Learnt, learn
from finetune.plan import Plan
from finetune.proof import golden_samples, prove
from finetune.report import Outcome, Story, render
from finetune.samples import zoo_samples
from finetune.tell import tell
from zoo.bundle import Bundle
from zoo.golden import Golden
from zoo.manifest import Manifest
from zoo.progress import Progress, Silence
from zoo.publish import publish
from zoo.signature import Signature, Tensor
from zoo.text import TextInput
from zoo.trunk import Trunk

GOLDEN: Final = 8  # samples that every bundle carries with their answers


@dataclass(frozen=True, slots=True)
class Result:
    """A bundle, and what became of the samples on the way to it."""

    bundle: Bundle
    features: Features
    learnt: Learnt


def train(plan: Plan, progress: Progress | None = None) -> Result:
    """Carry out `plan` and publish a bundle, whole or not at all.

    Raises:
        DatasetError: too many samples are unusable, or too few are left of a class.
        TrunkError, WeightsError: there is no trunk for the backbone.
        ReplayFailed: the finished files do not repeat what training saw.
        PublishFailed: the bundle could not be written; earlier versions are unchanged.
    """
    recipe, data, progress = plan.recipe, plan.dataset, progress or Silence()
    for note in (*plan.warnings(), *data.notes):
        progress.say(note)

    trunk = _reading(Trunk.of(plan.backbone, plan.precision, progress), data.texts)
    features = extract(trunk, data, recipe.max_bad, progress)  # x [n,d]
    tell(features, data, progress)
    learnt = learn(plan, trunk.path, features, progress)  # the head, and how good it is on the test part

    rows = learnt.test if len(learnt.test) else np.arange(len(features.samples))
    own = recipe.own_samples
    samples = (
        golden_samples(features, rows, learnt.targets.strata, GOLDEN)
        if own
        else zoo_samples(data.kind, data.texts, GOLDEN)
    )
    golden = Golden.of(samples, trunk.inputs, trunk, learnt.answer)
    manifest = _manifest(plan, trunk, learnt, features)
    prove(golden, manifest, trunk, learnt.head_onnx)
    tested = Outcome([features.samples[row] for row in learnt.test], learnt.truth, learnt.scores)
    story = Story(manifest, tested, features.bad)
    bundle = publish(
        recipe.models,
        manifest,
        trunk=trunk.path,
        head=learnt.head_onnx,
        golden=golden,
        extras={"report.html": render(story)} | _tokenizer(trunk),
    )
    return Result(bundle, features, learnt)


def _reading(trunk: Trunk, texts: int) -> Trunk:
    """Return `trunk`, reading pairs of texts where the data hold such."""
    if texts == 1 or not isinstance(trunk.inputs, TextInput):
        return trunk
    pairs = dataclasses.replace(trunk.inputs, texts=2)
    return Trunk(trunk.path, trunk.sha256, trunk.signature, pairs, trunk.facts)


def _tokenizer(trunk: Trunk) -> dict[str, bytes]:
    return {"tokenizer.json": trunk.inputs.tokenizer_json} if isinstance(trunk.inputs, TextInput) else {}


def _manifest(plan: Plan, trunk: Trunk, learnt: Learnt, features: Features) -> Manifest:
    recipe, backbone, split = plan.recipe, plan.backbone, learnt.split
    labels = learnt.targets.labels
    scores = (Tensor("scores", "float32", (-1, len(labels))),) if learnt.head_onnx else ()
    whole = {part.value: 0 for part in Part}
    data: dict[str, Any] = {
        "source": Path(plan.dataset.source).name,
        "seed": recipe.seed,
        "split": split.kind if split else "none",
        "counts": split.counts() if split else whole,
        "skipped": len(features.bad),
    }
    return Manifest(
        name=recipe.name,
        task=plan.dataset.task,
        labels=labels,
        backbone={
            "name": backbone.name,
            "weights_sha256": trunk.facts.get("weights_sha256"),
            "license": backbone.license,
            "restricts": backbone.restricts,
        },
        precision=plan.precision,
        depth="probe",
        input=trunk.inputs.spec() | {"decoder_version": trunk.inputs.version()},
        signature=Signature(trunk.signature.inputs, (*trunk.signature.outputs, *scores)),
        trunk_sha256=trunk.sha256,
        head=learnt.facts,
        metrics=learnt.metrics,
        data=data,
        samples="user" if recipe.own_samples else "zoo",
        graft=zoo.__version__,
    )
