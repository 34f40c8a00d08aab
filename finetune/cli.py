"""The command `finetune`. Anything heavy is imported inside of it, so that `--help` is quick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zoo import console
from zoo.errors import MissingExtra

EPILOG = """\b
Examples:
  finetune photos/                      a folder with a folder of pictures for each class
  finetune texts/                       the same with .txt files
  finetune reviews.csv                  a table with a text and a label column
  finetune photos.csv                   a table with a path and a label column
  finetune pairs.jsonl --text question --text answer --label good
  finetune reviews.xlsx --sheet 2024 --label stars --task regress
  finetune texts.csv --task embed       a model that gives features; needs no labels
  finetune sample:reuters-r8            7,674 news wires of eight topics, to try Graft out
  finetune photos/ --json | jq .metrics.accuracy
\b
Tables: CSV and TSV (UTF-8), JSON Lines, Parquet, Excel, Orange's .tab. Columns are found
by name and content, and said. Folders train/, val/ and test/, or a column "split", are
obeyed; else the data are split by label and seed. Pictures: JPEG, PNG, WebP, BMP, GIF.
\b
Tasks: classify (one of several classes), tag (several labels each: a list, or parts
between ; or |), regress (a number), embed. The labels of a table suggest which.
\b
Progress is told on standard error. Features are cached: a second run on the same
samples takes seconds.
"""


@click.command(
    "finetune", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.argument("data")
@click.option("--name", default="", help="Name of the model.  [default: after the data]")
@click.option("--models", default="models", show_default=True, help="Folder that the model is published in.")
@click.option("--task", type=click.Choice(["classify", "tag", "regress", "embed"]), help="[default: as labels suggest]")
@click.option("--text", "--text-b", "text", multiple=True, metavar="COL", help="Column of the text; both for pairs.")
@click.option("--label", default="", metavar="COL", help="Column of the label.")
@click.option("--split-column", default="", metavar="COL", help="Column that says train, val or test.")
@click.option("--sheet", default="", metavar="NAME", help="Sheet of an Excel workbook.")
@click.option(
    "--backbone",
    default="",
    help="Pretrained network; `zoo list` shows all.  "
    "[default: efficientnet_lite0.imagenet, for texts all_minilm_l6_v2.sentences]",
)
@click.option("--precision", type=click.Choice(["fp32", "int8"]), help="Of the trunk.  [default: the backbone's own]")
@click.option("--seed", default=0, show_default=True, help="Decides the split.")
@click.option("--val", default=0.2, show_default=True, help="Share of the samples to choose by.")
@click.option("--test", default=0.2, show_default=True, help="Share of the samples to measure with.")
@click.option("--max-bad", default=0.05, show_default=True, help="Share of the samples that may be unusable.")
@click.option("--no-samples", is_flag=True, help="Keep your samples out of the bundle and its report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
def cli(data: str, models: str, as_json: bool, no_samples: bool, **wishes: Any) -> None:  # noqa: ANN401
    """Fine-tune a pretrained network on DATA, and publish the model.

    DATA is a folder of class folders, a table, or sample:digits, sample:mnist or sample:reuters-r8.
    """
    try:
        from finetune.dataset import Wanted
        from finetune.pipeline import train
        from finetune.plan import plan
        from finetune.recipe import Recipe
        from finetune.summary import facts, summary
        from finetune.tasks import Task
        from zoo.backbone import Precision
        from zoo.progress import Terminal
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"fine-tuning needs the package {missing.name}. Install Graft with the extra `train`: "
            "pip install 'keras-graft[train]'."
        ) from None
    task, precision = wishes.pop("task"), wishes.pop("precision")
    columns = {name: wishes.pop(name) for name in ("text", "label", "split_column", "sheet")}
    recipe = Recipe(
        data=data,
        wanted=Wanted(task=Task(task) if task else None, **columns),
        models=Path(models),
        own_samples=not no_samples,
        precision=Precision(precision) if precision else None,
        **wishes,
    )
    progress = Terminal()
    result = train(plan(recipe, progress), progress)
    click.echo(json.dumps(facts(result), ensure_ascii=False) if as_json else summary(result))


def main() -> None:
    """Run the command `finetune`."""
    console.run(cli)


if __name__ == "__main__":
    main()
