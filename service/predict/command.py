"""The `predict` command: choose a predictor, parse the samples, write the answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from graft.errors import GraftError, MissingExtra, Unreachable
from graft.progress import SilentProgress
from graft.progress.terminal import TerminalProgress
from graft.runtime.device import Device
from service.client.requests import DEFAULT_URL
from service.predict.csv_output import open_csv_output
from service.predict.inputs import parse_samples
from service.predict.run import PredictionSink, Predictor, run_predictions
from service.predict.text_output import MAX_TABLE_SAMPLES, JsonOutput, TableOutput

DEFAULT_REPOSITORY: Final = Path("models")


def run_predict(
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
    """Predict all `samples` and write the answers; the parameters are the options of the command.

    Raises:
        GraftError: there is no model or server to use; or some samples have no answer, once all answers are written.
        click.ClickException: options contradict each other, or name what does not exist.
    """
    if csv == "-" and as_json:
        raise click.UsageError("--csv - and --json would both write to standard output. Give the CSV file a name.")
    if url and models:
        raise click.UsageError("--url is for a server and --models for work without one. Give one of them.")
    if url and device:
        raise click.UsageError("--device is for work without a server; the one at --url has its own.")
    predictor = choose_predictor(model, url, models, device or "auto")
    inputs = parse_samples(samples, predictor.sample_kind, columns, sheet)
    for note in (note for table in inputs.tables for note in table.notes()):
        click.echo(note, err=True)
    printed_output = JsonOutput(predictor) if as_json else TableOutput(csv) if csv else TableOutput()
    progress = TerminalProgress() if len(inputs) > MAX_TABLE_SAMPLES else SilentProgress()
    with ExitStack() as files:
        sinks: list[PredictionSink] = [printed_output]
        if csv:
            sinks.append(files.enter_context(open_csv_output(csv, predictor, inputs, top)))
        failure_count = run_predictions(predictor, inputs, top, sinks, progress)
    if csv != "-":
        sys.stdout.writelines(printed_output.lines())
        sys.stdout.flush()
    if failure_count:
        raise GraftError(
            f"{failure_count:,} of {len(inputs):,} samples have no answer; the reasons are listed beside their names."
        )


def choose_predictor(model: str, url: str | None, models: str | None, device: Device) -> Predictor:
    """Return the predictor: the server at `url`; else the repository `models`, by default GRAFT_MODELS, else "models".

    If no repository was named and the default one does not exist, the server at the default address is used.

    Raises:
        GraftError: there is no such model, or no server.
        click.ClickException: the repository is not a folder.
    """
    if url:
        return _open_remote_model(url, model)
    repository = models or os.environ.get("GRAFT_MODELS")
    folder = Path(repository) if repository else DEFAULT_REPOSITORY
    if folder.is_dir():
        return _open_local_model(folder, model, device)
    if repository:
        raise click.ClickException(
            f"there is no folder {repository!r} here. Make a first model with `finetune DATA`, name another repository "
            "with --models, or use a server with --url."
        )
    try:
        return _open_remote_model(DEFAULT_URL, model)
    except Unreachable as fault:
        raise Unreachable(
            f"there is no folder {str(folder)!r} here to take the model from, and {fault} "
            "Or name a repository with --models."
        ) from None


def _open_remote_model(url: str, model: str) -> Predictor:
    from service.predict.remote_model import RemoteModel

    return RemoteModel(url, model)


def _open_local_model(folder: Path, model: str, device: Device) -> Predictor:
    try:
        from service.predict.local_model import LocalModel, open_newest_model

        return LocalModel(open_newest_model(folder, model, device, lambda note: click.echo(note, err=True)))
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"work without a server needs the package {missing.name}. Install Graft with the extra `serve`: "
            "pip install 'keras-graft[serve]'; or use a server with --url."
        ) from None
