"""`zoo export`: write a bundle in the format of another runtime."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from graft.cli.run_cli import progress_reporter
from zoo.cli.format import JSON_OPTION, PROGRESS_OPTION, align_columns
from zoo.export import EXPORT_FORMATS, ExportFormat


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(EXPORT_FORMATS), required=True, help="Format of the other runtime.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A new folder; for triton see below.")
@click.option("--custom", multiple=True, metavar="MODULE:CLASS", help="A custom layer in it; may be repeated.")
@PROGRESS_OPTION
@JSON_OPTION
def export(model: Path, form: ExportFormat, out: Path, custom: tuple[str, ...], progress: str, as_json: bool) -> None:
    """Export MODEL, a folder models/NAME or models/NAME/VERSION, to the format of another runtime.

    The golden samples are replayed through that runtime before the folder is renamed to OUT; if an answer differs,
    nothing is left. For triton, OUT is the model repository, and OUT/NAME is created in it. What the caller must do
    (decode, resize, tokenise) is written to README.md and graft.json beside it.

    \b
    Examples:
      zoo export models/photos --format onnx -o photos-onnx
      zoo export models/photos/3 --format triton -o model-repository
    """  # noqa: D301 - click reads the backspace character
    from zoo.convert.process.child_process import require_train_packages

    require_train_packages("onnx", "onnxruntime")
    from graft.bundle.open_bundle import resolve_bundle
    from zoo.export.export import export_bundle

    with progress_reporter(progress) as reporter:
        result = export_bundle(resolve_bundle(model), form, out, reporter, custom)
    if as_json:
        click.echo(json.dumps(asdict(result) | {"folder": str(result.folder)}, ensure_ascii=False))
        return
    proof = result.proof
    rows = [("exported", f"{model} as {form}"), *(("open", str(result.folder / file)) for file in result.files)]
    difference = f"largest difference {proof.off:.2g}, allowed {proof.allowed:g}"
    summary = f"{proof.samples} golden samples in {proof.runtime}; {difference}"
    rows += [("proof", summary), *(("note", note) for note in result.notes), ("read", str(result.folder / "README.md"))]
    click.echo(align_columns(rows))
