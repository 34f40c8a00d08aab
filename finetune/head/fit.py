"""Features -> head: the one entry to fitting a head, and the order of its steps.

split         train, validation and test parts (`finetune.data.split`); nothing here looks at the test part
class weights for imbalanced classes, if validation likes them (`finetune.head.class_weights`)
choose        hyper-parameters on the validation part, and with them temperature and thresholds
tune          more hyper-parameters, where `--tune` asks for trials (`finetune.head.tune`)
refit         the chosen head, fitted to train and validation parts, with the temperature folded in
unknown       a novelty score and its threshold, where `--unknown-at` asks for one (`finetune.head.unknown`)
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import Dataset, SplitPart
from finetune.data.label_checks import check_class_counts, check_numeric_labels
from finetune.data.split import Split, check_train_classes, split_samples
from finetune.data.targets import Targets, build_targets
from finetune.data.task import Task
from finetune.features.extract import Features
from finetune.features.memmap_rows import take_rows
from finetune.head import FitData, Grid, Head, HeadFitter, read_onnx_versions
from finetune.head.class_weights import choose_class_weights
from finetune.head.classify_and_tag import ClassifyFitter, TagFitter
from finetune.head.regress import RegressFitter
from finetune.head.tune import HeadSearchSpace, find_best_trial
from finetune.head.unknown import with_novelty
from finetune.recipe import Recipe
from graft.bundle.head_runner import HeadRunner
from graft.progress import Progress
from graft.types import Float32Array

CLASSIFY_FITTER: Final = ClassifyFitter()
# `embed` is missing: it has no head.
HEAD_FITTERS: Final[dict[Task, HeadFitter[Any]]] = {
    Task.CLASSIFY: CLASSIFY_FITTER,
    Task.TAG: TagFitter(),
    Task.REGRESS: RegressFitter(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """The options of a recipe that concern the head."""

    seed: int = 0
    val: float = 0.2  # share of the samples
    test: float = 0.2  # share of the samples
    trials: int = 0  # of hyper-parameter tuning
    unknown_at: float | None = None  # share of the validation samples that stay known; None: never answer "unknown"
    grid: Grid | None = None  # None: the fitter's own

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> HeadOptions:
        """Return the options of `recipe`."""
        return cls(seed=recipe.seed, val=recipe.val, test=recipe.test, trials=recipe.tune, unknown_at=recipe.unknown_at)


@dataclass(frozen=True, slots=True)
class HeadFit:
    """A fitted head with its data and its ONNX file. Without a head (`embed`) `split` is None, too."""

    targets: Targets  # of all n samples
    split: Split | None
    head: Head[Any] | None
    head_onnx: bytes | None
    head_runner: HeadRunner | None  # the head as the server will run it
    facts: dict[str, Any]  # the manifest's entry `head`
    sample_weights: Float32Array  # [n], how much each sample counts

    @property
    def validation_loss(self) -> float:
        """The validation loss of the choice, from a head fitted to the train part alone; smaller is better."""
        return float(self.head.choice.val_loss) if self.head else 0.0


def fit_head(
    dataset: Dataset,
    features: Features,
    trunk_path: Path,
    options: HeadOptions,
    progress: Progress,
    *,
    targets: Targets | None = None,
    split: Split | None = None,
    warm_start: Head[Any] | None = None,
) -> HeadFit:
    """Fit the head of the dataset's task to `features`, from the split to head.onnx.

    Args:
        dataset: its task decides the kind of head.
        features: of the dataset's usable samples; x float32 [n,d].
        trunk_path: the file of the trunk that the features come from; head.onnx gets the same opset.
        options: how the head is fitted.
        progress: gets a line for each decision.
        targets: the targets of the samples; by default built from their labels.
        split: the parts of the samples; by default the dataset's own or a stratified one.
        warm_start: a head for the same features and labels that the last fit starts from. It is kept where its
            validation loss is smaller than the new head's.

    Raises:
        DatasetError: a class has too few usable samples, a part is empty, or every feature is constant.
    """
    task = dataset.task
    if targets is None:
        targets = build_targets(task, features.samples, dataset.target_name)
        for note in targets.notes:
            progress.log(note)
    if task is Task.EMBED:
        return HeadFit(targets, None, None, None, None, {"kind": "none"}, np.ones(len(targets.y), np.float32))
    if split is None:
        split = _split_usable_samples(dataset, features, targets, options, progress)

    selected = select_head(task, features.x, targets.y, split, options, progress, warm_start)
    head = selected.head
    if warm_start and warm_start.choice.val_loss < head.choice.val_loss:
        head = warm_start
    if options.unknown_at is not None:
        head = with_novelty(head, features.x, targets.y, split, targets.labels, options.unknown_at, progress)
    head_onnx = head.to_onnx(*read_onnx_versions(trunk_path))
    facts = head.facts() | selected.facts
    return HeadFit(targets, split, head, head_onnx, HeadRunner(head_onnx), facts, selected.sample_weights)


def _split_usable_samples(
    dataset: Dataset, features: Features, targets: Targets, options: HeadOptions, progress: Progress
) -> Split:
    """Split the samples that could be read, after checking that they are still enough to train on."""
    task = dataset.task
    distinct = list(dict(zip(features.sha256, features.samples, strict=True)).values())
    if task is Task.CLASSIFY:
        check_class_counts(dataset.source, distinct, f"usable {dataset.kind.plural}")
    if task is Task.REGRESS:
        check_numeric_labels(dataset.source, distinct)
    split = split_samples(
        features.samples, features.sha256, targets.strata, seed=options.seed, val=options.val, test=options.test
    )
    if task is Task.CLASSIFY:
        check_train_classes(targets.strata, split)
    for note in split.notes:
        progress.log(note)
    return split


@dataclass(frozen=True, slots=True)
class SelectedHead:
    """A head with how much each sample counted, and further facts for the manifest."""

    head: Head[Any]
    sample_weights: Float32Array  # [n]
    facts: dict[str, Any]  # beside the head's own


def select_head(
    task: Task,
    x: Float32Array,
    y: NDArray[Any],
    split: Split,
    options: HeadOptions,
    progress: Progress,
    warm_start: Head[Any] | None = None,
) -> SelectedHead:
    """Choose a head on the validation part and fit it to both parts: class weights, choose, refit, tune.

    `x` float32 [n,d] and `y` [n] or [n,k] are features and targets of all samples. Only the last fit, to both parts,
    starts from `warm_start`: no choice does, for a head that has seen the validation part would bias it.

    Raises:
        DatasetError: every feature is constant.
    """
    data = FitData.from_split(x, y, split)
    progress.log(f"fitting the head ({task}): {len(data.x):,} samples to train on, {len(data.x_val):,} to validate on")
    if task is Task.CLASSIFY:
        choice, weighting = choose_class_weights(CLASSIFY_FITTER, data, options.grid, progress)
        head = CLASSIFY_FITTER.refit(choice, weighting.apply(data), warm_start)
        selected = SelectedHead(head, weighting.weights[y], {"balanced": weighting.facts()})
    else:
        fitter = HEAD_FITTERS[task]
        head = fitter.refit(fitter.choose(data, options.grid), data, warm_start)
        selected = SelectedHead(head, np.ones(len(y), np.float32), {})
    return _tune_head(task, data, y, selected, options, progress) if options.trials else selected


def _tune_head(
    task: Task, data: FitData, y: NDArray[Any], default: SelectedHead, options: HeadOptions, progress: Progress
) -> SelectedHead:
    """Return the head of the best trial, or the default one where no trial is better."""
    fitter, trials = HEAD_FITTERS[task], options.trials
    space = HeadSearchSpace(task, fitter, data, default.head)
    trial = find_best_trial(space, trials, options.seed, progress)
    default_value = space.objective(default.head.choice)
    is_better = trial.value < default_value
    facts = default.facts | {
        "tuned": {
            "trials": trials, "kept": is_better, "value": trial.value, "usual": default_value, "at": dict(trial.point)
        }
    }  # fmt: skip
    loss = fitter.loss_field.replace("val_", "validation ")
    summary = f"tuned over {trials} trials: {loss} {trial.value:.4g}, with the default choice {default_value:.4g}"
    if not is_better:
        progress.log(f"{summary}; the default choice is kept")
        return dataclasses.replace(default, facts=facts)
    point = ", ".join(f"{name} {value:.3g}" for name, value in trial.point.items())
    progress.log(f"{summary}; kept: {point}")
    return SelectedHead(space.fit_choice(trial.outcome, trial.point), space.sample_weights(trial.point, y), facts)


def refit_on_train_only(
    task: Task, head: Head[Any], x: Float32Array, y: NDArray[Any], split: Split, sample_weights: Float32Array
) -> Head[Any]:
    """Return a head of the same choice, fitted to the train part alone, so that validation can judge what builds on it.

    It is not even warm-started from `head`, which has seen the validation part.

    Args:
        task: the head's task.
        head: the head whose choice is used.
        x: features of all samples, float32 [n,d].
        y: their targets, [n] or [n,k].
        split: their parts.
        sample_weights: how much each counts, float32 [n]; used for classes only.
    """
    train, none = split.rows(SplitPart.TRAIN), np.empty(0, np.intp)
    train_weights = sample_weights[train] if task is Task.CLASSIFY else None
    data = FitData(take_rows(x, train), y[train], take_rows(x, none), y[none], train_weights)
    return HEAD_FITTERS[task].refit(head.choice, data)
