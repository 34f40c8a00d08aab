"""Dataset -> bundle: the whole story of a fine-tuning on one screen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import zoo
from finetune import samples
from finetune.dataset import Part, Sample, check_counts
from finetune.features import Features, extract, named
from finetune.head import Head, fit_head, trunk_versions
from finetune.metrics import measure
from finetune.plan import Plan
from finetune.proof import Answers, golden_pictures, prove
from finetune.report import Story, render, worst
from finetune.split import Split, split
from zoo.bundle import Bundle
from zoo.golden import Golden
from zoo.inputs import ImageInput, decoder_version
from zoo.manifest import Manifest
from zoo.progress import Progress, Silence
from zoo.publish import publish
from zoo.signature import Signature, Tensor
from zoo.trunk import Trunk

Floats = NDArray[np.float32]

GOLDEN: Final = 8  # samples that every bundle carries with their answers


@dataclass(frozen=True, slots=True)
class Result:
    """A bundle, and what became of the samples on the way to it."""

    bundle: Bundle
    features: Features
    split: Split


def train(plan: Plan, progress: Progress | None = None) -> Result:
    """Carry out `plan` and publish a bundle, whole or not at all.

    Shapes: n samples, d features, k classes.

    Raises:
        DatasetError: too many samples are unusable, or too few are left of a class.
        TrunkError, WeightsError: there is no trunk for the backbone.
        ReplayFailed: the finished files do not repeat what training saw.
        PublishFailed: the bundle could not be written; earlier versions are unchanged.
    """
    recipe, progress = plan.recipe, progress or Silence()
    for note in (*plan.warnings(), *plan.dataset.notes):
        progress.say(note)

    inputs = ImageInput(plan.backbone.size)
    trunk = Trunk.of(plan.backbone, plan.precision, progress)
    features = extract(trunk, inputs, plan.dataset, recipe.max_bad, progress)  # x [n,d]
    _tell(features, progress)
    parts = _split(plan, features, progress)
    labels = tuple(sorted({sample.label for sample in features.samples}))
    y = np.array([labels.index(sample.label) for sample in features.samples])

    train_, val, test = (parts.rows(part) for part in Part)
    progress.say(f"fitting the head: {len(train_):,} samples to train on, {len(val):,} to choose by")
    head = fit_head(features.x[train_], y[train_], features.x[val], y[val])
    head_onnx = head.to_onnx(*trunk_versions(trunk.path))
    answer = Answers(head_onnx)  # float32 [n,d] -> [n,k], by the very bytes that are published
    scores = answer(features.x[test])
    metrics = measure(scores, y[test], labels)  # the one time that the test part is looked at

    pictures = golden_pictures(features, test, GOLDEN) if recipe.own_samples else samples.zoo_pictures(GOLDEN)
    golden = Golden.of(pictures, inputs, trunk, answer)
    prove(golden, plan.precision, inputs, trunk, head_onnx)
    manifest = _manifest(plan, inputs, trunk, head, labels, metrics, parts, features)
    mistakes = worst([features.samples[row] for row in test], y[test], scores, labels)
    report = render(Story(manifest, mistakes, features.bad))
    bundle = publish(
        recipe.models, manifest, trunk=trunk.path, head=head_onnx, golden=golden, extras={"report.html": report}
    )
    return Result(bundle, features, parts)


def _tell(features: Features, progress: Progress) -> None:
    progress.say(
        f"features of {len(features.samples):,} samples: {features.extracted:,} extracted, "
        f"{len(features.samples) - features.extracted:,} from the cache"
    )
    if features.bad:
        progress.say(f"skipped {len(features.bad):,} that cannot be used:\n{named(features.bad)}")
    if features.misnamed:
        progress.say(
            f"{len(features.misnamed):,} files are of another image format than their name says, and were read "
            f"as what they are: {', '.join(features.misnamed[:5])}{', …' if len(features.misnamed) > 5 else ''}"
        )
    if twofold := contradictions(features):
        progress.say(
            f"{len(twofold):,} pictures are in the data under more than one class ({' = '.join(twofold[0])}): "
            "no model can learn both. Remove the wrong ones."
        )


def contradictions(features: Features) -> list[list[str]]:
    """Return the refs of exact copies that have different labels, a list for each picture."""
    copies: defaultdict[bytes, list[Sample]] = defaultdict(list)
    for sha256, sample in zip(features.sha256, features.samples, strict=True):
        copies[sha256].append(sample)
    return [[one.ref for one in same] for same in copies.values() if len({one.label for one in same}) > 1]


def _split(plan: Plan, features: Features, progress: Progress) -> Split:
    """Split what can be used, after a look at whether that is still enough of every class."""
    recipe = plan.recipe
    distinct = dict(zip(features.sha256, features.samples, strict=True)).values()
    check_counts(plan.dataset.source, distinct, "usable pictures")
    parts = split(features.samples, features.sha256, seed=recipe.seed, val=recipe.val, test=recipe.test)
    for note in parts.notes:
        progress.say(note)
    return parts


def _manifest(
    plan: Plan,
    inputs: ImageInput,
    trunk: Trunk,
    head: Head,
    labels: tuple[str, ...],
    metrics: dict[str, Any],
    parts: Split,
    features: Features,
) -> Manifest:
    recipe, backbone = plan.recipe, plan.backbone
    scores = Tensor("scores", "float32", (-1, len(labels)))
    return Manifest(
        name=recipe.name,
        task="classify",
        labels=labels,
        backbone={
            "name": backbone.name,
            "weights_sha256": trunk.facts.get("weights_sha256"),
            "license": backbone.license,
            "restricts": backbone.restricts,
        },
        precision=plan.precision,
        depth="probe",
        input=inputs.spec() | {"decoder_version": decoder_version()},
        signature=Signature(trunk.signature.inputs, (*trunk.signature.outputs, scores)),
        trunk_sha256=trunk.sha256,
        head={"kind": "logistic", "features_dropped": head.dropped, **asdict(head.choice)},
        metrics=metrics,
        data={
            "source": Path(plan.dataset.source).name,
            "seed": recipe.seed,
            "split": parts.kind,
            "counts": parts.counts(),
            "skipped": len(features.bad),
        },
        samples="user" if recipe.own_samples else "zoo",
        graft=zoo.__version__,
    )
