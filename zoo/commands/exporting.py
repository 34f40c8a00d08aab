"""`zoo export`: a bundle in another runtime's form."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal

import click

from zoo import console
from zoo.commands.telling import AS_JSON, PROGRESS, aligned

Form = Literal["onnx", "saved_model", "tflite", "triton", "keras"]
FORMS: Final = ("onnx", "saved_model", "tflite", "triton", "keras")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMS), required=True, help="What the other runtime reads.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A new folder; see below for triton.")
@click.option("--custom", multiple=True, metavar="MODULE:CLASS", help="A layer of your own in it; may be repeated.")
@PROGRESS
@AS_JSON
def export(model: Path, form: Form, out: Path, custom: tuple[str, ...], progress: str, as_json: bool) -> None:
    """Write MODEL, a folder models/NAME or models/NAME/VERSION, in the form of another runtime.

    Its golden samples are replayed through that runtime before the folder has its name; where an answer differs,
    nothing is left. Of triton, OUT is the model repository, and OUT/NAME is made in it. What the caller must do
    (decode, resize, tokenise) stands in README.md and graft.json beside it.

    \b
    Examples:
      zoo export models/photos --format onnx -o photos-onnx
      zoo export models/photos/3 --format triton -o model-repository
    """  # noqa: D301 - click reads the backspace character
    from zoo.build.errands import check_installed

    check_installed("onnx", "onnxruntime")
    from zoo.export.found import found
    from zoo.export.run import export as exported

    with console.telling(progress) as told:
        made = exported(found(model), form, out, told, custom)
    if as_json:
        click.echo(json.dumps(asdict(made) | {"folder": str(made.folder)}, ensure_ascii=False))
        return
    proof = made.proof
    rows = [("exported", f"{model} as {form}"), *(("open", str(made.folder / file)) for file in made.files)]
    said = f"{proof.samples} golden samples in {proof.runtime}; off by {proof.off:.2g}, allowed is {proof.allowed:g}"
    rows += [("proof", said), *(("note", note) for note in made.notes), ("read", str(made.folder / "README.md"))]
    click.echo(aligned(rows))
