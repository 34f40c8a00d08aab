"""`zoo publish`: publish a backbone with its own pretrained classifier as a bundle that `serve` serves."""

from __future__ import annotations

import json
from pathlib import Path

import click

from graft.cli.run_cli import progress_reporter
from zoo.catalog.backbone import Precision
from zoo.catalog.find import get_backbone
from zoo.cli.format import JSON_OPTION, PROGRESS_OPTION, align_columns, license_rows
from zoo.cli.options import complete_backbones


@click.command()
@click.argument("backbone", metavar="NAME", shell_complete=complete_backbones)
@click.option(
    "--models", type=click.Path(path_type=Path), default="models", show_default=True, help="Model repository."
)
@click.option("--name", help="Name of the model. Default: the architecture's name.")
@click.option(
    "--labels", type=click.Path(path_type=Path), help="A text file: names of the classes, one a line, in order."
)
@click.option("--precision", type=click.Choice([str(p) for p in Precision]), help="Default: that of the backbone.")
@PROGRESS_OPTION
@JSON_OPTION
def publish(
    backbone: str,
    models: Path,
    name: str | None,
    labels: Path | None,
    precision: str | None,
    progress: str,
    as_json: bool,
) -> None:
    """Publish the backbone NAME with its own classifier, ImageNet's 1,000 classes, without any fine-tuning.

    All of keras.applications and efficientnet_lite can be published, and those presets of KerasHub that have an image
    classifier at their URL; if there is none, or one of another architecture, the error says so. If there is more than
    one layer above the pooled features (VGG, MobileNet, ConvNeXt, HGNetV2), the model gets its own trunk, NAME_top,
    built with the top. Other classes than ImageNet's need --labels. `serve` and `predict` use it like any other model.

    \b
    Example:
      zoo publish efficientnet_lite0
      predict efficientnet_lite0 photo.jpg
    """  # noqa: D301 - click reads the backspace character
    from zoo.convert.process.child_process import require_train_packages

    require_train_packages("onnx", "onnxruntime")
    from graft.bundle.repository import require_writable_repository
    from zoo.cli.options import read_labels
    from zoo.manage.publish_pretrained import publish_classifier
    from zoo.weights.weights_cache import record_in_lockfile

    chosen = get_backbone(backbone)
    chosen_precision = Precision(precision) if precision else chosen.precision
    with progress_reporter(progress) as reporter:
        require_writable_repository(models)
        names = read_labels(labels) if labels else None
        bundle = publish_classifier(
            chosen, models, name or chosen.name.split(".")[0], chosen_precision, reporter, names
        )
        manifest = bundle.manifest
        record_in_lockfile(
            get_backbone(str(manifest.backbone["name"]))
        )  # the classifier has a file of its own, perhaps
    if as_json:
        facts = {"model": manifest.name, "version": manifest.version, "path": str(bundle.layout.root)}
        click.echo(json.dumps(facts | {"labels": len(manifest.labels), "precision": manifest.precision}))
        return
    summary = f"{chosen.name} in {chosen_precision}, {len(manifest.labels):,} classes"
    accuracy = f"{chosen.top1:.1f} % top-1 on ImageNet, as published; not measured here" if chosen.top1 else "unknown"
    rows = [("published", summary), ("accuracy", accuracy), ("path", str(bundle.layout.root)), *license_rows(chosen)]
    click.echo(align_columns([*rows, ("next", f"serve --models {models}")]))
