"""Recipe + dataset + backbone, checked: what can fail cheaply has failed before anything expensive begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from finetune.check import check_unknown
from finetune.dataset import Dataset, Kind, load
from finetune.recipe import Recipe
from finetune.tasks import Task
from finetune.training import Depth
from zoo.backbone import DEFAULT, DEFAULT_TEXT, Backbone, Precision, Scaling, get
from zoo.errors import RecipeError
from zoo.finding import kind_of
from zoo.possible import check_possible
from zoo.progress import Progress
from zoo.publish import check_writable

DEFAULT_BACKBONE: Final = {Kind.IMAGE: DEFAULT, Kind.TEXT: DEFAULT_TEXT}


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done."""

    recipe: Recipe
    dataset: Dataset
    backbone: Backbone
    precision: Precision

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should hear before anything expensive begins."""
        said = []
        if self.backbone.restricts:
            said.append(f"mind the licence of {self.backbone.name}'s weights: {self.backbone.restricts}")
        if self.recipe.precision not in (None, self.backbone.precision):
            said.append(
                f"{self.backbone.name} in {self.precision} instead of its default {self.backbone.precision}; "
                f"what is known of int8: {self.backbone.int8}"
            )
        if self.recipe.depth is Depth.PROBE and (unused := self.recipe.training.changed()):
            said.append(f"a probe trains the head alone and makes no use of {', '.join(unused)}; add --depth auto")
        return tuple(said)


def plan(recipe: Recipe, progress: Progress | None = None) -> Plan:
    """Check `recipe` against the world, the quick things first.

    Raises:
        UnknownBackbone: no catalog entry has that name.
        RecipeError: the backbone takes samples of another kind than the data are, or they allow no "unknown".
        PublishFailed: the models folder cannot be written.
        DatasetError: the data cannot be used.
        MissingExtra: the data need a package that is not installed.
        WeightsError: a sample data set could not be fetched.
    """
    if recipe.backbone:
        get(recipe.backbone)
    check_writable(recipe.models)
    dataset = load(recipe.data, recipe.wanted, progress)
    if recipe.unknown_at is not None:
        check_unknown(dataset)
    backbone = suited(recipe.backbone, dataset)
    _check_depth(recipe, dataset)
    check_possible(backbone)
    if recipe.depth is not Depth.PROBE and getattr(backbone.takes, "scaling", None) is Scaling.PRESET:
        raise RecipeError(f"{backbone.name} is a preset that can be probed only: leave --depth {recipe.depth} out.")
    if recipe.depth is not Depth.PROBE and ":below_top" in backbone.builder:
        raise RecipeError(f"{backbone.name} has a top of its own and can be probed only: leave --depth out.")
    usual = backbone.precision if recipe.depth is Depth.PROBE else Precision.FP32  # what Keras trains is fp32
    return Plan(recipe, dataset, backbone, recipe.precision or usual)


def _check_depth(recipe: Recipe, dataset: Dataset) -> None:
    """Check that what the data are can be learnt at that depth.

    Raises:
        RecipeError: it cannot.
    """
    if recipe.depth is not Depth.PROBE and dataset.task is Task.EMBED:
        raise RecipeError(f"--depth {recipe.depth} trains, but the task embed learns nothing. Leave one of them out.")
    if recipe.depth is Depth.LORA and dataset.kind is Kind.IMAGE:
        raise RecipeError("--depth lora is for texts. For pictures take top, full, or auto.")


def suited(name: str, dataset: Dataset) -> Backbone:
    """Return the backbone of that name, or the default one for what the samples are.

    Raises:
        UnknownBackbone: no catalog entry has that name.
        RecipeError: it takes samples of another kind.
    """
    backbone = get(name or DEFAULT_BACKBONE[dataset.kind])
    if (takes := Kind(kind_of(backbone))) is not dataset.kind:
        raise RecipeError(
            f"{backbone.name} takes {takes.plural}, but {dataset.source} holds {dataset.kind.plural}. "
            f"Leave --backbone out, or choose one such as {DEFAULT_BACKBONE[dataset.kind]}; `zoo list` shows all."
        )
    return backbone
