"""The commands `serve` and `predict`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.console import run
from zoo.errors import GraftError, InputError

if TYPE_CHECKING:
    from service.calls import Prediction
    from service.settings import Settings

SERVE_EXAMPLES = """\b
Examples:
  serve
  serve --models /srv/models --port 9000
  GRAFT_API_KEY=... serve --host 0.0.0.0
"""
PREDICT_EXAMPLES = """\b
Examples:
  predict digits photo.jpg
  predict digits *.png --top 1 --json
"""


@click.command(epilog=SERVE_EXAMPLES)
@click.option("--models", type=click.Path(path_type=Path), help="The model repository.  [default: models]")
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on; 0 takes a free one.  [default: 8000]")
@click.option("--versions", type=int, help="How many of a model's newest versions are served.  [default: 2]")
@click.option("--max-waiting", type=int, help="Images that may wait for a free core.  [default: 128]")
@click.option("--max-body", type=int, help="Bytes that a request may have.  [default: 16777216]")
@click.option(
    "--allow-anyone-without-a-key", "allow_anyone", is_flag=True, help="Outside loopback, ask for no API key."
)
def serve(**flags: object) -> None:
    """Serve the models of a repository over HTTP.

    New versions are noticed and loaded while the server runs. Flags, the API key and further settings
    can be given in the environment, too: GRAFT_MODELS, GRAFT_PORT, GRAFT_API_KEY, GRAFT_POLL, ...
    """
    from service.server import run_server

    settings = _settings({name: value for name, value in flags.items() if value is not None and value is not False})
    if not settings.models.is_dir():
        raise click.ClickException(
            f"there is no folder {str(settings.models)!r} here. Make a first model with `finetune DATA`, "
            "or name another repository with --models."
        )
    run_server(settings)


@click.command(epilog=PREDICT_EXAMPLES)
@click.argument("model")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the server is.")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1, 100), help="How many labels to show.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def predict(model: str, files: tuple[Path, ...], url: str, top: int, as_json: bool) -> None:
    """Ask a server what MODEL says of image FILES.

    The API key, where the server wants one, is read from GRAFT_API_KEY.
    """
    from service.client import Client

    answers: dict[str, Prediction | InputError] = {}
    with Client(url) as client:
        for file in files:
            try:
                answers[str(file)] = client.predict(model, file, top=top)
            except InputError as error:  # one bad file does not keep the answers to the others
                answers[str(file)] = error
    click.echo(_json(model, answers) if as_json else _table(answers))
    if bad := sum(isinstance(answer, InputError) for answer in answers.values()):
        raise GraftError(f"{bad} of {len(files)} files got no answer; the reasons stand beside their names.")


def serve_main() -> None:
    """Run `serve` as a program."""
    run(serve)


def predict_main() -> None:
    """Run `predict` as a program."""
    run(predict)


def _settings(flags: dict[str, Any]) -> Settings:
    """Read flags and environment, or say what is wrong with them."""
    from pydantic import ValidationError

    from service.settings import Settings

    try:
        return Settings(**flags)
    except ValidationError as wrong:
        lines = [f"{_setting(one['loc'])}{one['msg'].removeprefix('Value error, ')}." for one in wrong.errors()]
        raise click.UsageError(" ".join(lines)) from None


def _setting(place: tuple[int | str, ...]) -> str:
    """Return what a setting is called outside, by its field."""
    return "".join(f"GRAFT_{str(field).upper()} or --{str(field).replace('_', '-')}: " for field in place)


def _table(answers: dict[str, Prediction | InputError]) -> str:
    """Return one line for each file: its name, then its labels, the best first."""
    wide = max(map(len, answers))
    return "\n".join(f"{file:{wide}}  {_line(answer)}" for file, answer in answers.items())


def _line(answer: Prediction | InputError) -> str:
    if isinstance(answer, InputError):
        return f"error: {answer}"
    return "  ".join(f"{one.label} {one.probability:.1%}" for one in answer.top)


def _json(model: str, answers: dict[str, Prediction | InputError]) -> str:
    rows = [
        {"file": file, "error": str(answer)} if isinstance(answer, InputError) else {"file": file, **asdict(answer)}
        for file, answer in answers.items()
    ]
    return json.dumps({"model": model, "predictions": rows}, ensure_ascii=False, indent=2)
