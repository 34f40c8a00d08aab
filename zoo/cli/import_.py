"""`zoo import`: import a user's own Keras model as a bundle that `serve` serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click

from graft.cli.run_cli import progress_reporter
from zoo.catalog.backbone import Scaling
from zoo.cli.format import JSON_OPTION, PROGRESS_OPTION, align_columns

_SCALINGS: Final = [str(scaling) for scaling in Scaling if scaling is not Scaling.PRESET]  # other models have no preset


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--labels", type=click.Path(path_type=Path), required=True, help="A text file: one label a line, in order."
)
@click.option("--scaling", type=click.Choice(_SCALINGS), help="Pixel scaling it expects, if not uint8.")
@click.option(
    "--scores",
    type=click.Choice(["softmax", "sigmoid", "number"]),
    help="Activation of its scores, if it ends with linear.",
)
@click.option("--size", type=click.IntRange(8, 4096), help="Side of its images in pixels, if the model leaves it open.")
@click.option("--custom", multiple=True, metavar="MODULE:CLASS", help="A custom layer in it; may be repeated.")
@click.option("--license", default="unknown", show_default=True, help="Licence of its weights, recorded in the bundle.")
@click.option("--name", help="Name of the model. Default: the file's name.")
@click.option(
    "--models", type=click.Path(path_type=Path), default="models", show_default=True, help="Model repository."
)
@PROGRESS_OPTION
@JSON_OPTION
def import_(
    file: Path,
    labels: Path,
    name: str | None,
    models: Path,
    progress: str,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - the other fields of `ImportRequest`
) -> None:
    """Import your own Keras image model, FILE.keras, as a bundle, with a proof of parity.

    Its last layer must be a Dense on one vector an image; the layers before it become the trunk. The classes in the
    file are checked before Keras opens it: Lambda and other classes that carry code are refused, and a custom layer is
    imported only if --custom names it. Keras opens the file in a process without network access. ONNX Runtime must
    reproduce Keras, with one image and with seven at a time.

    \b
    Example:
      zoo import photos.keras --labels labels.txt --scaling unit_signed
      serve
    """  # noqa: D301 - click reads the backspace character
    from zoo.convert.process.child_process import require_train_packages

    require_train_packages("onnx", "onnxruntime")
    from graft.bundle.repository import require_writable_repository
    from zoo.cli.options import read_labels
    from zoo.manage.import_keras import ImportRequest, import_keras_model

    with progress_reporter(progress) as reporter:
        require_writable_repository(models)
        request = ImportRequest(file=file, labels=read_labels(labels), name=name or file.stem.lower(), **options)
        bundle, network_isolation = import_keras_model(request, models, reporter)
    manifest = bundle.manifest
    if as_json:
        facts = {"model": manifest.name, "version": manifest.version, "path": str(bundle.layout.root)}
        click.echo(
            json.dumps(
                facts | {"task": manifest.task, "parity": manifest.training["parity"], "alone": network_isolation}
            )
        )
        return
    parity = manifest.training["parity"]
    parity_text = f"ONNX Runtime differs from Keras by {parity['off']:.2g}, of at most {parity['largest']:.3g}"
    rows = [
        ("imported", f"{file}, {manifest.task}, {len(manifest.labels)} labels"),
        ("opened in", network_isolation),
        ("proof", f"{parity_text}, on {parity['pictures']} images"),
        ("path", str(bundle.layout.root)),
        ("next", f"serve --models {models}"),
    ]
    click.echo(align_columns(rows))
