"""From the probe downwards: each depth starts from what was reached before, and the best on validation is kept.

At every moment there is a model to publish: the probe at first. A deeper trunk is exported and proven, features are
extracted from it again, and the head is refitted on them, as for any trunk. Nothing here looks at the test part.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from finetune.attempt import Attempt
from finetune.dataset import Kind, Part
from finetune.deep import deepen
from finetune.deep.int8 import in_int8
from finetune.features import extract
from finetune.fitting import without_validation
from finetune.learn import relearn
from finetune.lesson import Lesson
from finetune.plan import Plan
from finetune.run_folder import run_folder
from finetune.training import Depth
from zoo.backbone import Precision
from zoo.cores import cores
from zoo.errors import ParityError, TrainingFailed
from zoo.progress import Progress

BUDGET: Final = 600.0  # seconds, where the user names none
# Of `auto`: the depths in their order, and the share of the time left that each may take.
STAGES: Final = {Kind.IMAGE: ((Depth.TOP, 0.6), (Depth.FULL, 1.0)), Kind.TEXT: ((Depth.FULL, 1.0),)}
AFTER: Final = 25.0  # seconds that conversion, proof and publishing take after training
SHORT: Final = 20.0  # seconds of training that are not worth beginning
WORTH: Final = 1e-3  # share of the validation loss: less is the same network, exported twice
TIMED: Final = 8  # samples that tell how long features take


@contextmanager
def deepened(plan: Plan, probe: Attempt, begun: float, progress: Progress) -> Iterator[Attempt]:
    """Go as deep as the recipe says and give the best attempt; `begun` is the time.monotonic() of the run's start.

    Its files lie in the folder of the run, which is deleted at the end, if that is a good one.

    With the depth `auto` a stage that fails, or that the user stops, costs nothing of what was reached before.

    Raises:
        TrainingFailed, ParityError: the one depth that was asked for could not be reached.
        RecipeError: the same run is under way in another process.
    """
    recipe = plan.recipe
    with run_folder(plan, probe.features, probe.learnt, progress) as folder:
        if recipe.depth is not Depth.AUTO:
            yield _kept(probe, _attempt(plan, probe, recipe.depth, folder, None, progress), progress)
        else:
            yield _auto(plan, probe, folder, begun + (recipe.budget or BUDGET), progress)


def _auto(plan: Plan, probe: Attempt, folder: Path, end: float, progress: Progress) -> Attempt:
    best, last = probe, end - AFTER - 1.5 * _extraction(probe)
    for depth, share in STAGES[plan.dataset.kind]:
        left = last - time.monotonic()
        if left * share < SHORT:
            progress.say(f"no time is left to go to the depth {depth}")
            break
        try:
            found = _attempt(plan, best, depth, folder, time.monotonic() + share * left, progress)
        except (TrainingFailed, ParityError) as fault:
            progress.say(f"the depth {depth} failed, {best.depth} stays: {fault}")
            break
        except KeyboardInterrupt:
            progress.say(f"stopped: {best.depth} is published, the best so far")
            break
        kept = _kept(best, found, progress)
        if kept is best:
            break
        best = kept
    return best


def _attempt(
    plan: Plan, before: Attempt, depth: Depth, folder: Path, deadline: float | None, progress: Progress
) -> Attempt:
    progress.say(f"going to the depth {depth}, from {before.depth}")
    done = deepen(_lesson(plan, before, depth, folder / depth, deadline), progress)
    trunk = done.trunk if plan.precision is Precision.FP32 else in_int8(done.trunk, plan.backbone)
    features = extract(trunk, plan.dataset, plan.recipe.max_bad, progress)
    if features.sha256 != before.features.sha256:
        raise TrainingFailed("the data changed while they were learnt from. Run the same again.")
    learnt = relearn(plan, before.learnt, trunk.path, features, done.head, progress)
    return Attempt(depth, trunk, features, learnt, done)


def _lesson(plan: Plan, before: Attempt, depth: Depth, folder: Path, deadline: float | None) -> Lesson:
    recipe, learnt, features = plan.recipe, before.learnt, before.features
    assert learnt.split  # noqa: S101  # mypy cannot know: the plan refuses a task without parts
    assert learnt.head  # noqa: S101
    if before.deepened:
        head, start = before.deepened.head, before.deepened.weights
    else:
        parts = (features.x, learnt.targets.y, learnt.split, learnt.weights)
        head, start = without_validation(plan.dataset.task, learnt.head, *parts), None
    return Lesson(
        backbone=plan.backbone,
        depth=depth,
        task=plan.dataset.task,
        inputs=before.trunk.inputs,
        samples=features.samples,
        sha256=features.sha256,
        y=learnt.targets.y,
        labels=learnt.targets.labels,
        weights=learnt.weights,
        train=learnt.split.rows(Part.TRAIN),
        val=learnt.split.rows(Part.VAL),
        head=head,
        start=start,
        training=recipe.training,
        seed=recipe.seed,
        folder=folder,
        resume=recipe.resume,
        deadline=deadline,
        tensorboard=recipe.tensorboard / depth if recipe.tensorboard else None,
    )


def _kept(before: Attempt, found: Attempt, progress: Progress) -> Attempt:
    """Return the attempt that validation likes better; the one before where they are alike."""
    is_better = found.learnt.validation < (1 - WORTH) * before.learnt.validation
    better = found if is_better else before
    progress.say(
        f"validation loss {before.learnt.validation:.4g} at {before.depth}, {found.learnt.validation:.4g} at "
        f"{found.depth}: {better.depth} is kept"
    )
    return better


def _extraction(attempt: Attempt) -> float:
    """Return how many seconds it takes to extract all features in fp32, from a few samples timed on one core."""
    trunk, samples = attempt.trunk, attempt.features.samples
    some: Sequence[int] = np.linspace(0, len(samples) - 1, min(TIMED, len(samples))).astype(int).tolist()
    start = time.perf_counter()
    for row in some:
        trunk(trunk.inputs.batch([trunk.inputs(samples[row].read())]))
    return (time.perf_counter() - start) / len(some) * len(samples) / cores()
