"""New samples -> a new version of a model: only its head is fitted again, on features old and new."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import zoo
from finetune.add.comparison import compared
from finetune.add.fresh import check_fits, only_new, shared_out
from finetune.add.known import Known, open_known, remembered
from finetune.dataset import Dataset, Wanted, find
from finetune.examples import taught
from finetune.features import Features, extract
from finetune.fitting import fit_head
from finetune.heads import FAMILIES, Grid
from finetune.learn import Learnt, settled
from finetune.measuring import Tested, tested
from finetune.proof import golden_samples, prove
from finetune.report import Outcome, Story, render
from finetune.report.added import section
from finetune.rows import room
from finetune.targets import Targets, targets
from finetune.tell import tell
from zoo.bundle import Bundle
from zoo.golden import Golden
from zoo.manifest import Manifest
from zoo.progress import Progress, Silence
from zoo.publish import check_writable, publish
from zoo.signature import Signature, Tensor

Floats = NDArray[np.float32]

GOLDEN: Final = 8  # samples that the bundle carries with their answers
OWN: Final = 4  # of them new ones at most; the others are the old bundle's


@dataclass(frozen=True, slots=True)
class Added:
    """A new version, what it came from, and what was added."""

    bundle: Bundle
    before: Bundle
    features: Features  # of the new samples alone

    @property
    def comparison(self) -> dict[str, Any]:
        """What it did to the old labels."""
        compared: dict[str, Any] = self.bundle.manifest.metrics["added"]
        return compared


def more(
    data: str | Dataset,
    models: Path,
    model: str,
    wanted: Wanted | None = None,
    *,
    old: str | None = None,
    max_bad: float = 0.05,
    progress: Progress | None = None,
) -> Added:
    """Teach the newest version of `model` the samples of `data` too, and publish the next version.

    `old` is the data that it was taught before, needed where the cache has lost their features.

    Raises:
        RecipeError: there is no such model, or it cannot be taught that.
        DatasetError: the data cannot be used, or nothing in it is new.
        PublishFailed: the version could not be written; earlier ones are unchanged.
    """
    progress = progress or Silence()
    known = open_known(models, model)
    check_writable(models)
    wanted = dataclasses.replace(wanted or Wanted(), task=known.task)
    found = find(data, wanted, progress)
    for note in found.notes:
        progress.say(note)
    check_fits(known, found)
    x_old = remembered(known, old, wanted, max_bad, progress)  # [n,d]
    features = extract(known.trunk, found, max_bad, progress)  # x [m,d]
    tell(features, progress)
    features = only_new(known, features, found.source, progress)
    every = _together(known, x_old, features)  # x [n+m,d]
    learnt = _learnt(known, every, features, found, progress)
    return _published(models, known, x_old, every, features, learnt, found.source)


def _together(known: Known, x_old: Floats, features: Features) -> Features:
    """Return what was taught before, then what is new."""
    n = len(x_old)
    x = room(n + len(features.x), x_old.shape[1])
    x[:n], x[n:] = x_old, features.x
    return dataclasses.replace(
        features, samples=(*known.samples(), *features.samples), sha256=(*known.examples.sha256, *features.sha256), x=x
    )


def _learnt(known: Known, every: Features, features: Features, found: Dataset, progress: Progress) -> Learnt:
    """Fit the head again. What was best for the old samples is nearly best for all, so that is where it looks."""
    manifest, task = known.manifest, known.task
    aims: Targets = targets(task, every.samples, manifest.labels[0])
    for note in aims.notes:
        progress.say(note)
    parts = shared_out(known, features, aims, found.source)
    choice = manifest.head
    strength = choice.get(FAMILIES[task].strength)
    grid = Grid.around(choice["power"], strength) if strength and "power" in choice else None
    fitted = fit_head(task, every.x, aims.y, parts, progress, grid=grid)
    unknown_at = choice["novelty"]["known"] if "novelty" in choice else None
    return settled(fitted, every.x, aims, parts, known.trunk.path, unknown_at, progress)


def _published(
    models: Path, known: Known, x_old: Floats, every: Features, features: Features, learnt: Learnt, source: str
) -> Added:
    """Measure, prove and publish it."""
    test = tested(known.task, learnt, every)
    manifest = _manifest(known, every, features, learnt, test, source)
    manifest = dataclasses.replace(manifest, metrics=test.metrics | {"added": compared(known, x_old, learnt, test)})
    golden = Golden.of(_golden(known, features, learnt), known.trunk.inputs, known.trunk, learnt.answer)
    prove(golden, manifest, known.trunk, learnt.head_onnx)
    outcome = Outcome(test.samples, test.truth, test.scores, test.novelty)
    report = render(Story(manifest, outcome, features.bad, added=section(manifest)))
    tokenizer = known.bundle.layout.tokenizer
    bundle = publish(
        models,
        manifest,
        trunk=known.trunk.path,
        head=learnt.head_onnx,
        golden=golden,
        extras={"report.html": report}
        | taught(every, learnt.split)
        | ({tokenizer.name: tokenizer.read_bytes()} if tokenizer.is_file() else {}),
    )
    return Added(bundle, known.bundle, features)


def _golden(known: Known, features: Features, learnt: Learnt) -> list[bytes]:
    """Return samples old and new, the new ones from the test part where that has some."""
    n = len(known.examples.sha256)
    assert learnt.split  # noqa: S101  # mypy cannot know: whoever can be taught was split
    strata = learnt.targets.strata[n:]
    measuring = np.flatnonzero(learnt.split.parts[n:] == "test")
    rows = measuring if len(measuring) else np.arange(len(features.samples))
    new = golden_samples(features, rows, strata, OWN)
    return [*known.bundle.golden().samples[: GOLDEN - len(new)], *new]


def _manifest(known: Known, every: Features, features: Features, learnt: Learnt, test: Tested, source: str) -> Manifest:
    """Return the model's own manifest with what is new: labels, head, metrics, data."""
    old, labels = known.manifest, learnt.targets.labels
    assert learnt.split  # noqa: S101
    outputs = tuple(
        Tensor(one.name, one.dtype, (-1, len(labels))) if one.name == "scores" else one for one in old.signature.outputs
    )
    step = {
        "source": Path(source).name,
        "from_version": old.version,
        "samples": len(features.samples),
        "new_labels": [label for label in labels if label not in old.labels],
    }
    data = old.data | {
        "split": learnt.split.kind,
        "counts": learnt.split.counts(),
        "skipped": old.data["skipped"] + len(features.bad),
        "added": [*old.data.get("added", []), step],
    }
    return dataclasses.replace(
        old,
        labels=labels,
        input=known.trunk.inputs.spec() | {"decoder_version": known.trunk.inputs.version()},
        signature=Signature(old.signature.inputs, outputs),
        head=learnt.facts,
        metrics=test.metrics,
        data=data,
        graft=zoo.__version__,
    )
