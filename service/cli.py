"""The commands `serve` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graft.cli.completion import complete_files, complete_folders, complete_models
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
@click.option("--models", type=click.Path(path_type=Path), help="The model repository.  [default: models]")
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on; 0 takes a free one.  [default: 8000]")
@click.option("--versions", type=int, help="How many of a model's newest versions are served.  [default: 2]")
@click.option("--workers", metavar="N", help="Runs at a time, one core each; auto: as many as cores.  [default: auto]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where trunks run.  [default: auto]")
@click.option("--max-waiting", type=int, help="Images or texts that may wait for a free core.  [default: 128]")
@click.option("--max-body", type=int, help="Bytes that a request may have.  [default: 16777216]")
@click.option(
    "--allow-anyone-without-a-key", "allow_anyone", is_flag=True, help="Outside loopback, ask for no API key."
)
def serve(**flags: object) -> None:
    """Serve the models of a repository over HTTP.

    New versions are noticed and loaded while the server runs. Flags, the API key and further settings
    can be given in the environment, too: GRAFT_MODELS, GRAFT_PORT, GRAFT_API_KEY, GRAFT_POLL, ...
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
    help="The model repository to work on.  [default: models]",
)
@click.option("--url", help="Ask the server there instead.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Where the trunk runs, without a server.  [default: auto]",
)
@click.option("--top", default=3, show_default=True, type=click.IntRange(1, 100), help="How many labels to show.")
@click.option("--column", "columns", multiple=True, metavar="COL", help="Column of a table; twice for pairs of texts.")
@click.option("--sheet", default="", metavar="NAME", help="Sheet of an Excel workbook.")
@click.option(
    "--csv",
    "csv",
    metavar="OUT",
    shell_complete=complete_files,
    help="Write a CSV file with a row for each sample; - is standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def predict(model: str, samples: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401
    """Ask what MODEL says of SAMPLES, on all cores.

    For a model that takes images SAMPLES are files. For one that takes texts, each is a text; where a file of that
    name exists it is read instead, as one text in UTF-8. For one that takes pairs of texts, they are given two by two.
    Of a folder, every image or every .txt file in it and below is a sample, hidden ones left out. Of a table (CSV,
    TSV, JSON Lines, Parquet, Excel) every row is one; the column is found by its name or content.

    The model is taken from the repository: --models, else GRAFT_MODELS, else the folder `complete_models`; no server is needed.
    With --url a server is asked, with the API key in GRAFT_API_KEY where it wants one; and the one at
    http://127.0.0.1:8000 where there is no repository.

    A model made with `finetune --unknown-at` may say "unknown", and tells how new each sample is (its novelty).

    CSV: the columns of the table come first, then label, probability, label_2, ..., or tags, or value; best, novelty
    and threshold where "unknown" may be said; and error. The file is written whole or not at all. A cell that a
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
    """Read flags and environment, or say what is wrong with them."""
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
    """Return what a setting is called outside, by its field."""
    return "".join(f"GRAFT_{str(field).upper()} or --{str(field).replace('_', '-')}: " for field in location)
