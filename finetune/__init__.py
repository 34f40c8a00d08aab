"""Fine-tuning: dataset -> bundle.

import finetune

result = finetune.train(finetune.Recipe(data="photos/"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.data.dataset import DataOptions, Dataset
from finetune.data.task import Task
from finetune.recipe import Depth, Recipe, TrainingOptions
from finetune.result import TrainResult
from graft.errors import MissingExtra
from graft.progress import Progress

__all__ = ["DataOptions", "Depth", "Recipe", "Task", "TrainResult", "TrainingOptions", "dataset_from_memory", "train"]


def train(recipe: Recipe | Mapping[str, Any] | str | Path, progress: Progress | None = None) -> TrainResult:
    """Carry out a recipe and publish a bundle, whole or not at all.

    `recipe` may be a Recipe; a mapping with the keys of the command line's options (`split_column`); or the path
    of a TOML file with them.

    Raises:
        GraftError: it cannot be carried out; the message says why. See `finetune.pipeline.train`.
    """
    try:
        from finetune.pipeline import run_pipeline
        from finetune.plan import make_plan
        from finetune.recipe_toml import recipe_from_toml, recipe_from_values
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"fine-tuning needs the package {missing.name}. Install Graft with the extra `train`: "
            "pip install 'keras-graft[train]'."
        ) from None
    if isinstance(recipe, Mapping):
        recipe = recipe_from_values(recipe)
    elif not isinstance(recipe, Recipe):
        recipe = recipe_from_toml(Path(recipe))
    return run_pipeline(make_plan(recipe, progress), progress)


def dataset_from_memory(
    source: object,
    *,
    name: str = "arrays",
    classes: Sequence[str] = (),
    options: DataOptions | None = None,
    folder: Path | str = "",
) -> Dataset:
    """Return a data set for `Recipe(data=…)` of what is in memory: `(x, y)`, a pandas frame, a tf.data.Dataset.

    What each of them may look like, and the arguments, are told by `finetune.data.in_memory.dataset_of`.

    Raises:
        DatasetError: it is none of these, or nothing can be learnt of it.
    """
    from finetune.data.in_memory import dataset_from_memory as build_dataset

    return build_dataset(source, name=name, classes=classes, options=options, folder=folder)
