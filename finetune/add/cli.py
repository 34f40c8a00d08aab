"""The command `finetune add`. Light: what works is imported inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from finetune.options import AS_JSON, DATA, PROGRESS
from zoo import completing

EXAMPLES = """\b
Examples:
  finetune add more/ --to flowers                 pictures in class folders, old classes or new
  finetune add reviews-of-may.csv --to reviews
  finetune add more/ --to flowers --data photos/  the old data once more, where the cache lost them
"""
COLUMNS = ("text", "label", "split_column", "sheet")


@click.command("add", params=[option for option in DATA if option.name in COLUMNS], epilog=EXAMPLES)
@click.argument("data", shell_complete=completing.files)
@click.option(
    "--to",
    "model",
    required=True,
    metavar="MODEL",
    shell_complete=completing.models,
    help="The model that learns; its newest version.",
)
@click.option(
    "--models",
    default="models",
    show_default=True,
    metavar="FOLDER",
    shell_complete=completing.folders,
    help="Folder that it lies in.",
)
@click.option(
    "--data",
    "old",
    metavar="OLD",
    shell_complete=completing.files,
    help="The data it was trained on, where their features are lost.",
)
@click.option("--max-bad", default=0.05, show_default=True, help="Share of the samples that may be unusable.")
def add(data: str, model: str, models: str, old: str | None, **how: Any) -> None:  # noqa: ANN401
    """Teach MODEL the samples of DATA too, and publish it as a new version; the old one is kept.

    DATA is as for `finetune`: new examples of classes that the model knows, or new classes; one folder with the
    folder of one class will do. The trunk stays as it is, only the head is fitted again, so this takes seconds. It
    says what it did to the old classes.
    """
    from finetune.add.pipeline import more
    from finetune.add.summary import facts, summary
    from finetune.dataset import Wanted
    from zoo.console import telling

    progress, as_json, max_bad = how.pop("progress"), how.pop("as_json"), how.pop("max_bad")
    wanted = Wanted(**{name: value for name, value in how.items() if value not in (None, ())})
    with telling(progress) as told:
        result = more(data, Path(models), model, wanted, old=old, max_bad=max_bad, progress=told)
    click.echo(json.dumps(facts(result), ensure_ascii=False) if as_json else summary(result))


add.params += [PROGRESS, AS_JSON]
