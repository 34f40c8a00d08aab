"""The command `finetune add`. Heavy modules are imported when it runs, so that `--help` is fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from finetune.cli.options import JSON_OPTION, PROGRESS_OPTION, RECIPE_OPTIONS
from graft.cli import completion_values
from graft.cli.run_cli import progress_reporter

ADD_EPILOG = """\b
Examples:
  finetune add more/ --to flowers                 pictures in class folders, old classes or new
  finetune add reviews-of-may.csv --to reviews
  finetune add more/ --to flowers --data photos/  pass the old data too, if no longer cached
"""
DATA_OPTION_NAMES = ("text", "label", "split_column", "sheet")


@click.command("add", params=[RECIPE_OPTIONS[name] for name in DATA_OPTION_NAMES], epilog=ADD_EPILOG)
@click.argument("data", shell_complete=completion_values.complete_files)
@click.option(
    "--to",
    "model",
    required=True,
    metavar="MODEL",
    shell_complete=completion_values.complete_models,
    help="Model to add the samples to; its newest version.",
)
@click.option(
    "--models",
    default="models",
    show_default=True,
    metavar="FOLDER",
    shell_complete=completion_values.complete_folders,
    help="Model repository.",
)
@click.option(
    "--data",
    "old",
    metavar="OLD",
    shell_complete=completion_values.complete_files,
    help="Data it was trained on, if their features are no longer cached.",
)
@click.option("--max-bad", default=0.05, show_default=True, help="Share of the samples that may be unusable.")
def add(data: str, model: str, models: str, old: str | None, **options: Any) -> None:  # noqa: ANN401
    """Add the samples of DATA to MODEL and publish it as a new version; the old one is kept.

    DATA is as for `finetune`: new examples of the model's classes, or new classes; one folder with the folder of one
    class is enough. The trunk stays as it is and only the head is refitted, so this takes seconds. The metrics of
    the old classes before and after are printed.
    """
    from finetune.add.add_samples import add_samples
    from finetune.cli.summary import addition_summary, render_addition_summary
    from finetune.recipe_toml import data_options_from_values

    progress, as_json, max_bad = options.pop("progress"), options.pop("as_json"), options.pop("max_bad")
    data_options = data_options_from_values(options)
    with progress_reporter(progress) as reporter:
        result = add_samples(data, Path(models), model, data_options, old_data=old, max_bad=max_bad, progress=reporter)
    click.echo(json.dumps(addition_summary(result), ensure_ascii=False) if as_json else render_addition_summary(result))


add.params += [PROGRESS_OPTION, JSON_OPTION]
