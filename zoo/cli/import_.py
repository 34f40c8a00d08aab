"""`zoo import`: a user's own Keras model, as a model that `serve` serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click

from graft.cli.run_cli import progress_reporter
from zoo.catalog.backbone import Scaling
from zoo.cli.format import JSON_OPTION, PROGRESS_OPTION, align_columns

_SCALINGS: Final = [str(known) for known in Scaling if known is not Scaling.PRESET]  # a model of one's own has none


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--labels", type=click.Path(path_type=Path), required=True, help="A text file: one label a line, in order."
)
@click.option("--scaling", type=click.Choice(_SCALINGS), help="Numbers it takes, where not uint8.")
@click.option(
    "--scores", type=click.Choice(["softmax", "sigmoid", "number"]), help="Where it ends with linear: what of."
)
@click.option("--size", type=click.IntRange(8, 4096), help="Pixels of a side, where the model leaves that open.")
@click.option("--custom", multiple=True, metavar="MODULE:CLASS", help="A layer of your own in it; may be repeated.")
@click.option("--license", default="unknown", show_default=True, help="Of its weights; told wherever it goes.")
@click.option("--name", help="What the model is called. Default: the file's name.")
@click.option("--models", type=click.Path(path_type=Path), default="models", show_default=True, help="Where to.")
@PROGRESS_OPTION
@JSON_OPTION
def import_(
    file: Path,
    labels: Path,
    name: str | None,
    models: Path,
    progress: str,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - what `ImportRequest` takes besides
) -> None:
    """Take in a picture model of your own, FILE.keras, as a bundle with its proof.

    Its last layer must be a Dense on one vector a picture; all before it becomes the trunk. The file's classes are
    checked before Keras sees them: Lambda and whatever else carries code is refused, and a layer of your own is
    imported only if it is named by --custom. Keras opens the file in a process that has given up the network. ONNX
    Runtime must repeat Keras, one picture at a time and seven.

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
    parity_text = f"ONNX Runtime is off Keras by {parity['off']:.2g}, largest {parity['largest']:.3g}"
    rows = [
        ("imported", f"{file}, {manifest.task}, {len(manifest.labels)} labels"),
        ("opened in", network_isolation),
        ("proof", f"{parity_text}, on {parity['pictures']} pictures"),
        ("path", str(bundle.layout.root)),
        ("next", f"serve --models {models}"),
    ]
    click.echo(align_columns(rows))
