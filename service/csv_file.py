"""Where the CSV of `predict` goes: a file that is there whole or as it was before, or standard output."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import click

from service.csv_rows import CsvOutput
from service.predicting import Predictor
from service.samples import PredictInputs
from zoo.files import open_atomic


@contextmanager
def open_csv_output(destination: str, predictor: Predictor, inputs: PredictInputs, top: int) -> Iterator[CsvOutput]:
    """Open the CSV file `destination`, or standard output for "-". A file is there whole at the end, or as it was before.

    Raises:
        click.ClickException: nothing can be written there.
    """
    if destination == "-":
        with _wrap_text(sys.stdout.buffer) as file:
            yield CsvOutput(file, predictor, inputs, top)
        return
    path = resolve_destination(destination, inputs)
    try:
        with open_atomic(path) as temporary:
            os.chmod(temporary.fileno(), _file_mode(path))
            with _wrap_text(temporary) as file:
                yield CsvOutput(file, predictor, inputs, top)
    except OSError as fault:
        raise click.ClickException(f"{destination} cannot be written ({fault.strerror}). Name another file.") from None


def resolve_destination(destination: str, inputs: PredictInputs) -> Path:
    """Return the path of the file to write; a link is followed.

    Raises:
        click.ClickException: it is no place for a file, or one of the samples.
    """
    path = Path(destination).resolve()
    if not path.parent.is_dir():
        raise click.ClickException(
            f"there is no folder {str(Path(destination).parent)!r} to write {path.name} to. Make it."
        )
    if path.exists() and not path.is_file():
        raise click.ClickException(f"{destination} is no regular file. Name a file, or - for standard output.")
    input_paths = [table.path for table in inputs.tables] + [one for one in inputs.singles if isinstance(one, Path)]
    if path.exists() and any(_is_same_file(one, path.stat()) for one in input_paths):
        raise click.ClickException(f"{destination} is one of the samples and would be lost. Name another file.")
    return path


def _is_same_file(sample: Path, facts: os.stat_result) -> bool:
    try:
        return os.path.samestat(sample.stat(), facts)
    except (OSError, ValueError):  # it is not there, or no path can be so
        return False


@contextmanager
def _wrap_text(file: BinaryIO) -> Iterator[TextIO]:
    """Write text to a binary file, which stays open."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()


def _file_mode(path: Path) -> int:
    """Return the permissions that a file has, or that a new one gets here."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
