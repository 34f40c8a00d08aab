"""Fine-tuning: a dataset becomes a bundle that can be served.

import finetune

result = finetune.train(finetune.Recipe(data="photos/"))

`train` also takes a mapping of options, or the path of a TOML file: `finetune.train("recipe.toml")`.
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
    """Fine-tune a pretrained network and publish the bundle; on failure nothing is published.

    Args:
        recipe: a `Recipe`; a mapping whose keys are the command line's options (`split_column`); or the path of a
            TOML file with these keys.
        progress: receives log lines and progress bars; None: silent.

    Raises:
        GraftError: the run failed; the message says why. `finetune.pipeline.run_pipeline` and
            `finetune.plan.make_plan` list the kinds.
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
    """Return a dataset for `Recipe(data=…)` from data in memory: `(x, y)`, a pandas DataFrame, a tf.data.Dataset.

    `finetune.data.in_memory.dataset_from_memory` describes the formats and the arguments.

    >>> dataset = dataset_from_memory((["good film", "bad film"] * 3, ["pos", "neg"] * 3), name="films")
    >>> dataset.labels, len(dataset.samples)
    (('neg', 'pos'), 6)

    Raises:
        DatasetError: `source` has none of these formats, or no model can be trained on it.
    """
    from finetune.data.in_memory import dataset_from_memory as build_dataset

    return build_dataset(source, name=name, classes=classes, options=options, folder=folder)
