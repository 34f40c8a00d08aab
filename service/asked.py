"""The command `predict`, from what the user asks to what is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from service.asking import URL
from service.csv_file import csv_out
from service.given import given
from service.predicting import Oracle, Sink, tell
from service.telling import LONG, Json, People
from zoo.device import Device
from zoo.errors import GraftError, MissingExtra, Unreachable
from zoo.progress import Silence
from zoo.terminal import Terminal

REPOSITORY: Final = Path("models")


def predicted(
    model: str,
    samples: Sequence[str],
    *,
    url: str | None,
    models: str | None,
    device: Device | None,
    columns: Sequence[str],
    sheet: str,
    top: int,
    csv: str | None,
    as_json: bool,
) -> None:
    """Ask for all `samples` and tell the user.

    Raises:
        GraftError: nothing can be asked; or some samples got no answer, after everything was told.
        click.ClickException: the wish cannot be carried out.
    """
    if csv == "-" and as_json:
        raise click.UsageError("--csv - and --json would both write to standard output. Give the CSV file a name.")
    if url and models:
        raise click.UsageError("--url asks a server and --models works without one. Give one of them.")
    if url and device:
        raise click.UsageError("--device is for work without a server; the one at --url has its own.")
    oracle = oracle_of(model, url, models, device or "auto")
    found = given(samples, oracle.takes, columns, sheet)
    for note in (note for table in found.tables for note in table.notes()):
        click.echo(note, err=True)
    printed = Json(oracle) if as_json else People(csv) if csv else People()
    progress = Terminal() if len(found) > LONG else Silence()
    with ExitStack() as files:
        sinks: list[Sink] = [printed]
        if csv:
            sinks.append(files.enter_context(csv_out(csv, oracle, found, top)))
        bad = tell(oracle, found, top, sinks, progress)
    if csv != "-":
        sys.stdout.writelines(printed.lines())
        sys.stdout.flush()
    if bad:
        raise GraftError(f"{bad:,} of {len(found):,} samples got no answer; the reasons stand beside their names.")


def oracle_of(model: str, url: str | None, models: str | None, device: Device) -> Oracle:
    """Return who is asked: the server at `url`; else the repository `models`, by default GRAFT_MODELS, else `models`.

    Where there is no repository and none was named, a server at its default address is asked.

    Raises:
        GraftError: nobody can be asked.
        click.ClickException: the repository is no folder.
    """
    if url:
        return _online(url, model)
    named = models or os.environ.get("GRAFT_MODELS")
    folder = Path(named) if named else REPOSITORY
    if folder.is_dir():
        return _offline(folder, model, device)
    if named:
        raise click.ClickException(
            f"there is no folder {named!r} here. Make a first model with `finetune DATA`, name another repository "
            "with --models, or ask a server with --url."
        )
    try:
        return _online(URL, model)
    except Unreachable as fault:
        raise Unreachable(
            f"there is no folder {str(folder)!r} here to take the model from, and {fault} "
            "Or name a repository with --models."
        ) from None


def _online(url: str, model: str) -> Oracle:
    from service.online import Online

    return Online(url, model)


def _offline(folder: Path, model: str, device: Device) -> Oracle:
    try:
        from service.offline import Offline, newest

        return Offline(newest(folder, model, device, lambda note: click.echo(note, err=True)))
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"to work without a server needs the package {missing.name}. Install Graft with the extra `serve`: "
            "pip install 'keras-graft[serve]'; or ask a server with --url."
        ) from None
