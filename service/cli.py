"""The commands `serve` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.console import run
from zoo.errors import GraftError, InputError
from zoo.utf8 import texts_of

if TYPE_CHECKING:
    from service.packing import Takes
    from service.settings import Settings
    from service.telling import Asked

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
  predict topics "a text" letter.txt
"""


@click.command(epilog=SERVE_EXAMPLES)
@click.option("--models", type=click.Path(path_type=Path), help="The model repository.  [default: models]")
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on; 0 takes a free one.  [default: 8000]")
@click.option("--versions", type=int, help="How many of a model's newest versions are served.  [default: 2]")
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
@click.argument("samples", nargs=-1, required=True)
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the server is.")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1, 100), help="How many labels to show.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def predict(model: str, samples: tuple[str, ...], url: str, top: int, as_json: bool) -> None:
    """Ask a server what MODEL says of SAMPLES.

    For a model that takes images SAMPLES are files. For one that takes texts, each is a text; where a file of that
    name exists it is read instead, as one text in UTF-8. For one that takes pairs of texts, they are given two by two.

    The API key, where the server wants one, is read from GRAFT_API_KEY.
    """
    from service import telling
    from service.client import Client

    rows: list[telling.Row] = []
    with Client(url) as client:
        for sample in _meant(samples, client.takes(model)):
            try:
                rows.append((sample, client.predict(model, sample, top=top)))
            except InputError as error:  # one bad sample does not keep the answers to the others
                rows.append((sample, error))
    click.echo(telling.as_json(model, rows) if as_json else telling.table(rows))
    if bad := sum(isinstance(answer, InputError) for _, answer in rows):
        raise GraftError(f"{bad} of {len(rows)} samples got no answer; the reasons stand beside their names.")


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


def _meant(samples: tuple[str, ...], takes: Takes) -> list[Asked]:
    """Return what the arguments of `predict` mean for a model that takes `takes`."""
    if takes == "image":
        return [Path(sample) for sample in samples]
    if takes == "text":
        return [Path(sample) if _is_file(sample) else sample for sample in samples]
    if len(samples) % 2:
        raise click.UsageError(
            f"the model takes pairs of texts, and here are {len(samples)}. Give the texts two by two, in quotes."
        )
    texts = [_text_of(sample) for sample in samples]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _is_file(sample: str) -> bool:
    try:
        return Path(sample).is_file()
    except (OSError, ValueError):  # longer than a path may be
        return False


def _text_of(sample: str) -> str:
    """Return the text that an argument of a pair is, or the one in the file of that name."""
    if not _is_file(sample):
        return sample
    try:
        return texts_of(Path(sample).read_bytes(), 1)[0]
    except (OSError, InputError) as fault:
        raise click.ClickException(f"{sample}: {fault}") from None
