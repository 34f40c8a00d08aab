"""Write docs/help.md: what every command says of itself with --help.

python docs/make_help.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from finetune.cli import cli as finetune
from service.cli import predict, serve
from zoo.cli import cli as zoo

PAGE = Path(__file__).parent / "help.md"
COMMANDS = {"zoo": zoo, "finetune": finetune, "serve": serve, "predict": predict}


def pages(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """Go through a command and its subcommands: full name, help text."""
    with click.Context(command, info_name=name, max_content_width=100, terminal_width=100) as context:
        yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for sub in sorted(command.commands):
            yield from pages(f"{name} {sub}", command.commands[sub])


def text() -> str:
    """Return the page."""
    parts = ["# The commands", "", "Made by `python docs/make_help.py`; do not edit by hand.", ""]
    for top, command in COMMANDS.items():
        for name, said in pages(top, command):
            parts += [f"## {name}", "", "```text", said, "```", ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text())
