"""The command `finetune`. Anything heavy is imported inside of it, so that `--help` is quick."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import console
from zoo.errors import MissingExtra

if TYPE_CHECKING:
    from finetune.pipeline import Result

EPILOG = """\b
Examples:
  finetune photos/                      a folder with a folder of pictures for each class
  finetune photos/ --name birds         call the model "birds"
  finetune photos.csv                   a table with a path and a label column
  finetune sample:digits                1,797 handwritten digits, to try Graft out
  finetune photos/ --json | jq .metrics.accuracy
\b
Folders train/, val/ and test/, or a column "split", are obeyed; else the data are
split by class and seed. Formats: JPEG, PNG, WebP, BMP, GIF. Progress is told on
standard error. Features are cached: a second run on the same pictures takes seconds.
"""


@click.command(
    "finetune", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.argument("data")
@click.option("--name", default="", help="Name of the model.  [default: after the data]")
@click.option("--models", default="models", show_default=True, help="Folder that the model is published in.")
@click.option(
    "--backbone", default=None, help="Pretrained network; `zoo list` shows all.  [default: efficientnet_lite0.imagenet]"
)
@click.option("--precision", type=click.Choice(["fp32", "int8"]), help="Of the trunk.  [default: the backbone's own]")
@click.option("--seed", default=0, show_default=True, help="Decides the split.")
@click.option("--val", default=0.2, show_default=True, help="Share of the samples to choose by.")
@click.option("--test", default=0.2, show_default=True, help="Share of the samples to measure with.")
@click.option("--max-bad", default=0.05, show_default=True, help="Share of the files that may be unusable.")
@click.option("--no-samples", is_flag=True, help="Keep your pictures out of the bundle and its report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
def cli(data: str, models: str, as_json: bool, no_samples: bool, **wishes: Any) -> None:  # noqa: ANN401
    """Fine-tune a pretrained network on DATA, and publish the model.

    DATA is a folder of class folders, a CSV file, or sample:digits or sample:mnist.
    """
    try:
        from finetune.pipeline import train
        from finetune.plan import plan
        from finetune.recipe import Recipe
        from zoo.backbone import Precision
        from zoo.progress import Terminal
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"fine-tuning needs the package {missing.name}. Install Graft with the extra `train`: "
            "pip install 'keras-graft[train]'."
        ) from None
    given = {key: value for key, value in wishes.items() if value is not None}
    if "precision" in given:
        given["precision"] = Precision(given["precision"])
    recipe = Recipe(data=data, models=Path(models), own_samples=not no_samples, **given)
    result = train(plan(recipe), Terminal())
    click.echo(json.dumps(facts(result), ensure_ascii=False) if as_json else summary(result))


def facts(result: Result) -> dict[str, Any]:
    """Return what a program wants to know of a result; ready for JSON."""
    manifest = result.bundle.manifest
    return {
        "model": manifest.name,
        "version": manifest.version,
        "path": str(result.bundle.layout.root),
        "backbone": manifest.backbone["name"],
        "precision": manifest.precision,
        "labels": list(manifest.labels),
        "counts": manifest.data["counts"],
        "skipped": [{"file": bad.ref, "reason": bad.reason} for bad in result.features.bad],
        "features": {"extracted": result.features.extracted, "of": len(result.features.samples)},
        "metrics": manifest.metrics,
    }


def summary(result: Result) -> str:
    """Return what a person wants to know of a result, and what to type next."""
    manifest, layout = result.bundle.manifest, result.bundle.layout
    metrics = manifest.metrics
    whose = (
        f"Note: golden.npz holds {len(result.bundle.golden().samples)} of your pictures and report.html shows some; "
        "--no-samples keeps them out."
        if manifest.samples == "user"
        else "None of your pictures is in the bundle or its report."
    )
    return f"""
{manifest.name} version {manifest.version} is in {layout.root}
  accuracy {metrics["accuracy"]:.1%} on {metrics["samples"]:,} test samples that it never saw
  ({len(manifest.labels)} classes, macro F1 {metrics["macro_f1"]:.3f}, calibration error {metrics["ece"]:.1%})
  report: {layout.report}
{whose}

Next:
  serve --models {shlex.quote(str(layout.root.parent.parent))}
  predict {manifest.name} FILE
""".lstrip()


def main() -> None:
    """Run the command `finetune`."""
    console.run(cli)


if __name__ == "__main__":
    main()
