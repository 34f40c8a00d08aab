"""Train deeper than the probe, and keep the candidate with the lower validation loss. `--depth auto` does so in stages.

A stage trains the trunk from the best candidate so far, exports it, extracts features again and refits the head. So
there is always a model to publish: at first the probe. The test set is not used here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from finetune.data.dataset import DataKind, SplitPart
from finetune.deep.resume import open_run_folder
from finetune.deep.train import train_trunk
from finetune.deep.training_job import TrainingJob
from finetune.features.extract import extract_features
from finetune.head.fit import HeadOptions, fit_head, refit_on_train_only
from finetune.plan import Plan
from finetune.recipe import Depth
from finetune.result import TrainedCandidate
from graft.errors import ParityError, TrainingFailed
from graft.progress import Progress
from graft.runtime.cpu_threads import available_cores
from graft.storage.atomic_file import file_sha256, write_atomic
from zoo.catalog.backbone import Backbone, ImageSpec, Precision
from zoo.convert.int8_image import quantize
from zoo.convert.int8_text import quantize_text_trunk
from zoo.trunks.trunk import Trunk

DEFAULT_BUDGET: Final = 600.0  # seconds of `--depth auto` without --budget
# The stages of `auto`: depths in order, and the share of the time left that each may use.
AUTO_STAGES: Final = {DataKind.IMAGE: ((Depth.TOP, 0.6), (Depth.FULL, 1.0)), DataKind.TEXT: ((Depth.FULL, 1.0),)}
PUBLISH_SECONDS: Final = 25.0  # reserved for conversion, golden samples and publishing after training
MIN_TRAINING_SECONDS: Final = 20.0  # with less time than this, a stage is not started
MIN_IMPROVEMENT: Final = 1e-3  # share of the validation loss; less is within the noise of an export
TIMED_SAMPLES: Final = 8  # samples on which feature extraction is timed


@contextmanager
def train_deeper(
    plan: Plan, probe: TrainedCandidate, start_time: float, progress: Progress
) -> Iterator[TrainedCandidate]:
    """Train at the recipe's depth, and yield the best candidate, which may be `probe`.

    Its files lie in the run's folder, which is deleted when the context ends without an exception. At depth `auto` a
    stage that fails, or that the user stops with Ctrl-C, leaves the best candidate so far.

    Args:
        plan: the checked recipe and its data set.
        probe: the fitted head on the pretrained trunk.
        start_time: the `time.monotonic()` at the start of the whole run; the budget of `auto` counts from it.
        progress: gets log lines, bars and metrics.

    Raises:
        TrainingFailed: training at the one requested depth failed.
        ParityError: ONNX Runtime does not reproduce the network trained at that depth.
        RecipeError: another process is running the same recipe on the same samples.
    """
    recipe = plan.recipe
    with open_run_folder(plan, probe.features, probe.head_fit, progress) as folder:
        if recipe.depth is not Depth.AUTO:
            yield _choose_better(probe, _train_depth(plan, probe, recipe.depth, folder, None, progress), progress)
        else:
            yield _train_auto(plan, probe, folder, start_time + (recipe.budget or DEFAULT_BUDGET), progress)


def _train_auto(
    plan: Plan, probe: TrainedCandidate, folder: Path, deadline: float, progress: Progress
) -> TrainedCandidate:
    best, training_deadline = probe, deadline - PUBLISH_SECONDS - 1.5 * _estimate_extraction_seconds(probe)
    for depth, share in AUTO_STAGES[plan.dataset.kind]:
        left = training_deadline - time.monotonic()
        if left * share < MIN_TRAINING_SECONDS:
            progress.log(f"no time left to train at depth {depth}")
            break
        try:
            candidate = _train_depth(plan, best, depth, folder, time.monotonic() + share * left, progress)
        except (TrainingFailed, ParityError) as error:
            progress.log(f"training at depth {depth} failed, keeping {best.depth}: {error}")
            break
        except KeyboardInterrupt:
            progress.log(f"stopped: publishing {best.depth}, the best so far")
            break
        better = _choose_better(best, candidate, progress)
        if better is best:
            break
        best = better
    return best


def _train_depth(
    plan: Plan, before: TrainedCandidate, depth: Depth, folder: Path, deadline: float | None, progress: Progress
) -> TrainedCandidate:
    progress.log(f"training at depth {depth}, starting from {before.depth}")
    result = train_trunk(_build_job(plan, before, depth, folder / depth, deadline), progress)
    trunk = result.trunk if plan.precision is Precision.FP32 else _quantize_trunk(result.trunk, plan.backbone)
    features = extract_features(trunk, plan.dataset, plan.recipe.max_bad, progress)
    if features.sha256 != before.features.sha256:
        raise TrainingFailed("the data changed during training. Run the same command again.")
    head_fit = fit_head(
        plan.dataset,
        features,
        trunk.path,
        HeadOptions.from_recipe(plan.recipe),
        progress,
        targets=before.head_fit.targets,
        split=before.head_fit.split,
        warm_start=result.head,
    )
    return TrainedCandidate(depth, trunk, features, head_fit, result)


def _quantize_trunk(trunk: Trunk, backbone: Backbone) -> Trunk:
    """Return `trunk` quantised to int8 as the zoo does it; its file lies beside the fp32 one."""
    if isinstance(backbone.takes, ImageSpec):
        data, report = quantize(trunk.path, trunk.signature.inputs[0].shape[1], backbone.float_convs)
    else:
        data, report = quantize_text_trunk(trunk.path)
    path = trunk.path.with_name("trunk-int8.onnx")
    write_atomic(path, data)
    digest = file_sha256(path)
    facts = trunk.facts | report | {"precision": Precision.INT8.value, "sha256": digest, "bytes": len(data)}
    return Trunk(path, digest, trunk.signature, trunk.inputs, facts)


def _build_job(plan: Plan, before: TrainedCandidate, depth: Depth, folder: Path, deadline: float | None) -> TrainingJob:
    recipe, head_fit, features = plan.recipe, before.head_fit, before.features
    assert head_fit.split  # noqa: S101  # for mypy: the plan refuses tasks without a split
    assert head_fit.head  # noqa: S101
    if before.deep_run:
        head, start = before.deep_run.head, before.deep_run.weights_path
    else:
        parts = (features.x, head_fit.targets.y, head_fit.split, head_fit.sample_weights)
        head, start = refit_on_train_only(plan.dataset.task, head_fit.head, *parts), None
    return TrainingJob(
        backbone=plan.backbone,
        depth=depth,
        task=plan.dataset.task,
        inputs=before.trunk.inputs,
        samples=features.samples,
        sha256=features.sha256,
        y=head_fit.targets.y,
        labels=head_fit.targets.labels,
        sample_weights=head_fit.sample_weights,
        train_rows=head_fit.split.rows(SplitPart.TRAIN),
        val_rows=head_fit.split.rows(SplitPart.VAL),
        start_head=head,
        start_weights=start,
        training=recipe.training,
        seed=recipe.seed,
        folder=folder,
        resume=recipe.resume,
        deadline=deadline,
        tensorboard=recipe.tensorboard / depth if recipe.tensorboard else None,
    )


def _choose_better(before: TrainedCandidate, candidate: TrainedCandidate, progress: Progress) -> TrainedCandidate:
    """Return the candidate with the lower validation loss; `before` unless the improvement is significant."""
    is_better = candidate.head_fit.validation_loss < (1 - MIN_IMPROVEMENT) * before.head_fit.validation_loss
    better = candidate if is_better else before
    losses = ", ".join(f"{one.head_fit.validation_loss:.4g} at {one.depth}" for one in (before, candidate))
    progress.log(f"validation loss {losses}: keeping {better.depth}")
    return better


def _estimate_extraction_seconds(candidate: TrainedCandidate) -> float:
    """Return the estimated seconds to extract all features, from a few samples timed on one core."""
    trunk, samples = candidate.trunk, candidate.features.samples
    rows: Sequence[int] = np.linspace(0, len(samples) - 1, min(TIMED_SAMPLES, len(samples))).astype(int).tolist()
    start = time.perf_counter()
    for row in rows:
        trunk(trunk.inputs.batch([trunk.inputs(samples[row].read())]))
    return (time.perf_counter() - start) / len(rows) * len(samples) / available_cores()
