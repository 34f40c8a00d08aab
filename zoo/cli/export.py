"""`zoo export`: a bundle in another runtime's form."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal

import click

from graft.cli.run_cli import progress_reporter
from zoo.cli.format import JSON_OPTION, PROGRESS_OPTION, align_columns

ExportFormatName = Literal["onnx", "saved_model", "tflite", "triton", "keras"]
EXPORT_FORMATS: Final = ("onnx", "saved_model", "tflite", "triton", "keras")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(EXPORT_FORMATS), required=True, help="What the other runtime reads."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A new folder; see below for triton.")
@click.option("--custom", multiple=True, metavar="MODULE:CLASS", help="A layer of your own in it; may be repeated.")
@PROGRESS_OPTION
@JSON_OPTION
def export(
    model: Path, form: ExportFormatName, out: Path, custom: tuple[str, ...], progress: str, as_json: bool
) -> None:
    """Write MODEL, a folder models/NAME or models/NAME/VERSION, in the form of another runtime.

    Its golden samples are replayed through that runtime before the folder has its name; where an answer differs,
    nothing is left. Of triton, OUT is the model repository, and OUT/NAME is made in it. What the caller must do
    (decode, resize, tokenise) stands in README.md and graft.json beside it.

    \b
    Examples:
      zoo export models/photos --format onnx -o photos-onnx
      zoo export models/photos/3 --format triton -o model-repository
    """  # noqa: D301 - click reads the backspace character
    from zoo.convert.process.child_process import require_train_packages

    require_train_packages("onnx", "onnxruntime")
    from graft.bundle.open_bundle import resolve_bundle
    from zoo.export.export import export_bundle as exported

    with progress_reporter(progress) as reporter:
        result = exported(resolve_bundle(model), form, out, reporter, custom)
    if as_json:
        click.echo(json.dumps(asdict(result) | {"folder": str(result.folder)}, ensure_ascii=False))
        return
    proof = result.proof
    rows = [("exported", f"{model} as {form}"), *(("open", str(result.folder / file)) for file in result.files)]
    summary = f"{proof.samples} golden samples in {proof.runtime}; off by {proof.off:.2g}, allowed is {proof.allowed:g}"
    rows += [("proof", summary), *(("note", note) for note in result.notes), ("read", str(result.folder / "README.md"))]
    click.echo(align_columns(rows))
