"""The commands `serve` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graft.cli.completion_values import complete_files, complete_folders, complete_models
from graft.cli.run_cli import run_cli

if TYPE_CHECKING:
    from service.settings import Settings


SERVE_EXAMPLES = """\b
Examples:
  serve
  serve --models /srv/models --port 9000 --workers 4
  GRAFT_API_KEY=... serve --host 0.0.0.0
"""
PREDICT_EXAMPLES = """\b
Examples:
  predict digits photo.jpg
  predict digits *.png --top 1 --json
  predict digits photos/ --csv digits.csv
  predict topics "a text" letter.txt
  predict topics news.xlsx --column body --csv - | head
  predict digits photo.jpg --url http://127.0.0.1:9000
"""


@click.command(epilog=SERVE_EXAMPLES)
@click.option("--models", type=click.Path(path_type=Path), help="Model repository.  [default: models]")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 for a free one.  [default: 8000]")
@click.option("--versions", type=int, help="Versions of each model to serve, newest first.  [default: 2]")
@click.option("--workers", metavar="N", help="Worker threads, one core each; auto: one per core.  [default: auto]")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Device that trunks run on.  [default: auto]"
)
@click.option("--max-waiting", type=int, help="Samples that may wait for a free core; more get 429.  [default: 128]")
@click.option("--max-body", type=int, help="Maximum size of a request body in bytes.  [default: 16777216]")
@click.option(
    "--allow-anyone-without-a-key",
    "allow_anyone",
    is_flag=True,
    help="Allow a host outside loopback without an API key.",
)
def serve(**flags: object) -> None:
    """Serve the models of a repository over HTTP.

    New versions are loaded while the server runs (hot reload). All settings can be environment variables, too:
    GRAFT_MODELS, GRAFT_PORT, GRAFT_API_KEY, GRAFT_POLL, ...
    """
    from service.server.uvicorn_server import run_server

    settings = _load_settings(
        {name: value for name, value in flags.items() if value is not None and value is not False}
    )
    if not settings.models.is_dir():
        raise click.ClickException(
            f"there is no folder {str(settings.models)!r} here. Make a first model with `finetune DATA`, "
            "or name another repository with --models."
        )
    run_server(settings)


@click.command(epilog=PREDICT_EXAMPLES)
@click.argument("model", shell_complete=complete_models)
@click.argument("samples", nargs=-1, required=True, shell_complete=complete_files)
@click.option(
    "--models",
    metavar="FOLDER",
    shell_complete=complete_folders,
    help="Model repository to take MODEL from.  [default: models]",
)
@click.option("--url", help="Use the server at this address instead.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Device that the trunk runs on, without a server.  [default: auto]",
)
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(1, 100), help="Number of labels to show (top-k)."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="COL",
    help="Column of a table with the samples; twice for pairs of texts.",
)
@click.option("--sheet", default="", metavar="NAME", help="Sheet of an Excel workbook.")
@click.option(
    "--csv",
    "csv",
    metavar="OUT",
    shell_complete=complete_files,
    help="Write a CSV file with a row for each sample; - for standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def predict(model: str, samples: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401
    """Predict SAMPLES with MODEL, on all cores.

    For a model that takes images, SAMPLES are files. For one that takes texts, each is a text; if a file of that name
    exists, the file is read, as one text in UTF-8. For one that takes pairs of texts, give them two by two. A folder
    stands for every image or every .txt file in it and in its subfolders, except hidden ones; a table (CSV, TSV,
    JSON Lines, Parquet, Excel) for every row. The column is found by its name or content.

    The model is taken from the repository, without a server: --models, else GRAFT_MODELS, else the folder `models`.
    With --url, or if there is no repository, a server is used (default: http://127.0.0.1:8000), with the API key in
    GRAFT_API_KEY.

    A model trained with `finetune --unknown-at` may answer "unknown", and gives the novelty of each sample.

    CSV: the columns of the table come first, then label, probability, label_2, ..., or tags, or value; best, novelty
    and threshold if the model may answer "unknown"; and error. The file is replaced atomically. A cell that a
    spreadsheet would run as a formula gets a ' before it.
    """
    from service.predict.command import run_predict

    run_predict(model, samples, **options)


def serve_main() -> None:
    """Run `serve` as a program."""
    run_cli(serve)


def predict_main() -> None:
    """Run `predict` as a program."""
    run_cli(predict)


def _load_settings(flags: dict[str, Any]) -> Settings:
    """Read settings from options and environment.

    Raises:
        click.UsageError: some are invalid.
    """
    from pydantic import ValidationError

    from service.settings import Settings

    try:
        return Settings(**flags)
    except ValidationError as invalid:
        lines = [
            f"{_describe_setting(one['loc'])}{one['msg'].removeprefix('Value error, ')}." for one in invalid.errors()
        ]
        raise click.UsageError(" ".join(lines)) from None


def _describe_setting(location: tuple[int | str, ...]) -> str:
    """Return the names of a setting outside the program, from the location of its field."""
    return "".join(f"GRAFT_{str(field).upper()} or --{str(field).replace('_', '-')}: " for field in location)
