"""`zoo publish`: a backbone that has a classifier of its own, as a model that `serve` serves."""

from __future__ import annotations

import json
from pathlib import Path

import click

from zoo import console
from zoo.backbone import Precision, get
from zoo.commands.telling import AS_JSON, PROGRESS, aligned, licenses
from zoo.completing import backbones


@click.command()
@click.argument("backbone", metavar="NAME", shell_complete=backbones)
@click.option("--models", type=click.Path(path_type=Path), default="models", show_default=True, help="Where to.")
@click.option("--name", help="What the model is called. Default: the architecture's name.")
@click.option(
    "--labels", type=click.Path(path_type=Path), help="A text file: other names of the classes, one a line, in order."
)
@click.option("--precision", type=click.Choice([str(p) for p in Precision]), help="Default: what the backbone names.")
@PROGRESS
@AS_JSON
def publish(
    backbone: str,
    models: Path,
    name: str | None,
    labels: Path | None,
    precision: str | None,
    progress: str,
    as_json: bool,
) -> None:
    """Publish the backbone NAME with its own classifier: ImageNet's 1,000 classes, and no fine-tuning at all.

    All of keras.applications can be, and efficientnet_lite. Of KerasHub's presets those can be that have an image
    classifier at their address; where there is none, or one of another form, that is said. Where there is more than one
    layer above the pooled maps (VGG, MobileNet, ConvNeXt, HGNetV2), the model has a trunk of its own, NAME_top, made
    with the top. Other classes than ImageNet's need --labels. `serve` and `predict` take it like any other model.

    \b
    Example:
      zoo publish efficientnet_lite0
      predict efficientnet_lite0 photo.jpg
    """  # noqa: D301 - click reads the backspace character
    from zoo.build.errands import check_installed

    check_installed("onnx", "onnxruntime")
    from zoo.classifier import publish_classifier
    from zoo.importing import read_labels
    from zoo.publish import check_writable
    from zoo.pulling import keep_lock

    chosen = get(backbone)
    number = Precision(precision) if precision else chosen.precision
    with console.telling(progress) as told:
        check_writable(models)
        names = read_labels(labels) if labels else None
        bundle = publish_classifier(chosen, models, name or chosen.name.split(".")[0], number, told, names)
        manifest = bundle.manifest
        keep_lock(get(str(manifest.backbone["name"])))  # the classifier has a file of its own, perhaps
    if as_json:
        facts = {"model": manifest.name, "version": manifest.version, "path": str(bundle.layout.root)}
        click.echo(json.dumps(facts | {"labels": len(manifest.labels), "precision": manifest.precision}))
        return
    published = f"{chosen.name} in {number}, {len(manifest.labels):,} classes"
    accuracy = f"{chosen.top1:.1f} % top-1 on ImageNet, as published; not measured here" if chosen.top1 else "unknown"
    rows = [("published", published), ("accuracy", accuracy), ("path", str(bundle.layout.root)), *licenses(chosen)]
    click.echo(aligned([*rows, ("next", f"serve --models {models}")]))
