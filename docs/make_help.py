"""Write docs/help.md, what every command says of itself with --help, and the options in docs/finetuning.md.

python docs/make_help.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from finetune.cli.main import FinetuneCommand
from finetune.cli.main import cli as finetune
from finetune.cli.options import OPTION_SECTIONS
from service.cli import predict, serve
from zoo.cli.main import cli as zoo

PAGE = Path(__file__).parent / "help.md"
GUIDE = Path(__file__).parent / "finetuning.md"
OPTIONS, END = "<!-- options: made by `python docs/make_help.py` -->", "<!-- end of options -->"
COMMANDS = {"zoo": zoo, "finetune": finetune, "serve": serve, "predict": predict}


def pages(name: str, command: click.Command, settings: Mapping[str, Any] | None = None) -> Iterator[tuple[str, str]]:
    """Go through a command and its subcommands, which have its settings too: full name, help text."""
    settings = command.context_settings if settings is None else settings
    # A command keeps the names of its help option from the first context that it sees: it must be a real one.
    context = click.Context(command, info_name=name, **{**settings, "max_content_width": 100, "terminal_width": 100})
    with context:
        yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            if found := command.get_command(context, sub):
                yield from pages(f"{name} {sub}", found, settings)
    if isinstance(command, FinetuneCommand):
        for sub, load in command.commands.items():
            yield from pages(f"{name} {sub}", load(), settings)


def text() -> str:
    """Return the page."""
    parts = ["# The commands", "", "Made by `python docs/make_help.py`; do not edit by hand.", ""]
    for top, command in COMMANDS.items():
        for name, said in pages(top, command):
            parts += [f"## {name}", "", "```text", said, "```", ""]
    return "\n".join(parts)


def options() -> str:
    """Return the table of every option of `finetune`, for docs/finetuning.md."""
    rows = ["| option | what it does |", "| --- | --- |"]
    for heading, section in OPTION_SECTIONS:
        rows.append(f"| **{heading}** | |")
        rows += [f"| `{', '.join(one.opts)}`{_values(one)} | {one.help} |" for one in section]
    return "\n".join(rows)


def _values(option: click.Option) -> str:
    """Say what is written behind an option."""
    if option.is_flag:
        return ""
    return f" `{'|'.join(option.type.choices) if isinstance(option.type, click.Choice) else option.metavar}`".replace(
        "|", r"\|"
    )


def guide() -> str:
    """Return docs/finetuning.md with the table of options in its place."""
    before, rest = GUIDE.read_text().split(OPTIONS, 1)
    return f"{before}{OPTIONS}\n{options()}\n{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    PAGE.write_text(text())
    GUIDE.write_text(guide())
