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

from service.csv_rows import Csv
from service.predicting import Oracle
from service.samples import Given
from zoo.files import written_whole


@contextmanager
def csv_out(where: str, oracle: Oracle, samples: Given, top: int) -> Iterator[Csv]:
    """Open the CSV file `where`, or standard output for "-". A file is there whole at the end, or as it was before.

    Raises:
        click.ClickException: nothing can be written there.
    """
    if where == "-":
        with _text(sys.stdout.buffer) as file:
            yield Csv(file, oracle, samples, top)
        return
    path = checked(where, samples)
    try:
        with written_whole(path) as whole:
            os.chmod(whole.fileno(), _mode(path))
            with _text(whole) as file:
                yield Csv(file, oracle, samples, top)
    except OSError as fault:
        raise click.ClickException(f"{where} cannot be written ({fault.strerror}). Name another file.") from None


def checked(where: str, samples: Given) -> Path:
    """Return the path of the file to write; a link is followed.

    Raises:
        click.ClickException: it is no place for a file, or one of the samples.
    """
    path = Path(where).resolve()
    if not path.parent.is_dir():
        raise click.ClickException(f"there is no folder {str(Path(where).parent)!r} to write {path.name} to. Make it.")
    if path.exists() and not path.is_file():
        raise click.ClickException(f"{where} is no regular file. Name a file, or - for standard output.")
    given = [table.path for table in samples.tables] + [one for one in samples.loose if isinstance(one, Path)]
    if path.exists() and any(_is_same(one, path.stat()) for one in given):
        raise click.ClickException(f"{where} is one of the samples and would be lost. Name another file.")
    return path


def _is_same(sample: Path, facts: os.stat_result) -> bool:
    try:
        return os.path.samestat(sample.stat(), facts)
    except (OSError, ValueError):  # it is not there, or no path can be so
        return False


@contextmanager
def _text(file: BinaryIO) -> Iterator[TextIO]:
    """Write text to a binary file, which stays open."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()


def _mode(path: Path) -> int:
    """Return the permissions that a file has, or that a new one gets here."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
