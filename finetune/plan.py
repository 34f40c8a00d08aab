"""Recipe + dataset + backbone, checked: what can fail cheaply has failed before anything expensive begins."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from finetune.dataset import Dataset, load
from finetune.recipe import Recipe
from zoo.backbone import Backbone, Precision, get
from zoo.errors import PublishFailed


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done."""

    recipe: Recipe
    dataset: Dataset
    backbone: Backbone
    precision: Precision

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should hear of the backbone before it is used."""
        said = []
        if self.backbone.restricts:
            said.append(f"mind the licence of {self.backbone.name}'s weights: {self.backbone.restricts}")
        if self.precision is not self.backbone.precision:
            said.append(
                f"{self.backbone.name} in {self.precision} instead of its default {self.backbone.precision}; "
                f"what is known of int8: {self.backbone.int8}"
            )
        return tuple(said)


def plan(recipe: Recipe) -> Plan:
    """Check `recipe` against the world, the quick things first.

    Raises:
        UnknownBackbone: no catalog entry has that name.
        PublishFailed: the models folder cannot be written.
        DatasetError: the data cannot be used.
        MissingExtra: the data need a package that is not installed.
    """
    backbone = get(recipe.backbone)
    check_writable(recipe.models)
    return Plan(recipe, load(recipe.data), backbone, recipe.precision or backbone.precision)


def check_writable(models: Path) -> None:
    """Check that files can be written under `models`, and leave nothing behind.

    Raises:
        PublishFailed: they cannot.
    """
    folder = models.absolute()
    while not folder.exists() and not folder.is_symlink():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as fault:
        raise PublishFailed(
            f"the models folder {models} cannot be written ({folder}: {fault.strerror}). "
            "Choose another one with --models, or change its permissions. Nothing was trained."
        ) from None
