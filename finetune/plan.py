"""The plan of a run: recipe + dataset + backbone, checked together before anything expensive begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from finetune.data.dataset import DataKind, Dataset
from finetune.data.label_checks import check_unknown_allowed
from finetune.data.load import load_dataset
from finetune.data.task import Task
from finetune.recipe import Depth, Recipe
from graft.bundle.repository import require_writable_repository
from graft.errors import RecipeError
from graft.progress import Progress
from zoo.catalog.backbone import (
    DEFAULT_IMAGE_BACKBONE,
    DEFAULT_TEXT_BACKBONE,
    Backbone,
    Precision,
    Scaling,
    require_buildable,
)
from zoo.catalog.find import backbone_kind, get_backbone

DEFAULT_BACKBONE_BY_KIND: Final = {DataKind.IMAGE: DEFAULT_IMAGE_BACKBONE, DataKind.TEXT: DEFAULT_TEXT_BACKBONE}


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked run: the recipe, its dataset, the backbone and the precision to train with."""

    recipe: Recipe
    dataset: Dataset
    backbone: Backbone
    precision: Precision

    def warnings(self) -> tuple[str, ...]:
        """Return warnings to log before the run: licence, an unusual precision, options without effect."""
        messages = []
        if self.backbone.restricts:
            messages.append(f"licence of {self.backbone.name}'s weights: {self.backbone.restricts}")
        if self.recipe.precision not in (None, self.backbone.precision):
            messages.append(
                f"{self.backbone.name} in {self.precision} instead of its default {self.backbone.precision}; "
                f"int8 of this backbone: {self.backbone.int8}"
            )
        if self.recipe.depth is Depth.PROBE and (unused := self.recipe.training.changed_options()):
            messages.append(
                f"--depth probe trains only the head and ignores {', '.join(unused)}; add --depth auto to use them"
            )
        return tuple(messages)


def make_plan(recipe: Recipe, progress: Progress | None = None) -> Plan:
    """Load the dataset, resolve the backbone and check that `recipe` can be carried out, quick checks first.

    Raises:
        UnknownBackbone: no catalog entry has the backbone's name.
        RecipeError: the backbone or depth does not fit the data, or `unknown_at` does not.
        PublishFailed: the models folder cannot be written.
        DatasetError: the data cannot be used.
        MissingExtra: the data need a package that is not installed.
        WeightsError: a built-in dataset could not be fetched.
    """
    if recipe.backbone:
        get_backbone(recipe.backbone)
    require_writable_repository(recipe.models)
    dataset = load_dataset(recipe.data, recipe.data_options, progress)
    if recipe.unknown_at is not None:
        check_unknown_allowed(dataset)
    backbone = resolve_backbone(recipe.backbone, dataset)
    _check_depth(recipe, dataset)
    require_buildable(backbone)
    if recipe.depth is not Depth.PROBE and getattr(backbone.takes, "scaling", None) is Scaling.PRESET:
        raise RecipeError(
            f"{backbone.name} is a preset, which supports --depth probe only: leave --depth {recipe.depth} out."
        )
    if recipe.depth is not Depth.PROBE and ":below_top" in backbone.builder:
        raise RecipeError(
            f"{backbone.name} has a top of its own and supports --depth probe only: leave --depth {recipe.depth} out."
        )
    default_precision = backbone.precision if recipe.depth is Depth.PROBE else Precision.FP32  # Keras trains in fp32
    return Plan(recipe, dataset, backbone, recipe.precision or default_precision)


def _check_depth(recipe: Recipe, dataset: Dataset) -> None:
    """Check that the depth fits the task and the kind of the samples.

    Raises:
        RecipeError: it does not.
    """
    if recipe.depth is not Depth.PROBE and dataset.task is Task.EMBED:
        raise RecipeError(
            f"--depth {recipe.depth} trains, but --task embed has nothing to train. Leave one of them out."
        )
    if recipe.depth is Depth.LORA and dataset.kind is DataKind.IMAGE:
        raise RecipeError("--depth lora is for texts. For images use top, full or auto.")


def resolve_backbone(name: str, dataset: Dataset) -> Backbone:
    """Return the backbone called `name`, or for "" the default backbone for the dataset's kind.

    Raises:
        UnknownBackbone: no catalog entry has that name.
        RecipeError: the backbone takes samples of another kind.
    """
    backbone = get_backbone(name or DEFAULT_BACKBONE_BY_KIND[dataset.kind])
    if (takes := DataKind(backbone_kind(backbone))) is not dataset.kind:
        raise RecipeError(
            f"{backbone.name} takes {takes.plural}, but {dataset.source} holds {dataset.kind.plural}. "
            f"Leave --backbone out, or choose one such as {DEFAULT_BACKBONE_BY_KIND[dataset.kind]}; "
            "`zoo list` shows all."
        )
    return backbone
