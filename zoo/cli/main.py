"""The command `zoo`: what there is of it; each part is imported when it is asked for."""

from __future__ import annotations

import difflib
import importlib
from typing import Final

import click

from graft import __version__
from graft.cli.run_cli import run_cli

# What a command is called -> module below zoo.cli, and its name there.
COMMANDS: Final = {
    "bench": ("bench", "bench"),
    "bundle-weights": ("bundle_weights_and_load", "bundle_weights"),
    "cache": ("cache", "cache"),
    "completion": ("completion", "completion"),
    "export": ("export", "export"),
    "import": ("import_", "import_"),
    "list": ("list", "list_"),
    "load": ("bundle_weights_and_load", "load"),
    "publish": ("publish", "publish"),
    "pull": ("pull", "pull"),
    "show": ("show", "show"),
    "verify": ("verify", "verify"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported one by one: `zoo list` must be quick, whatever the others need."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None where there is none of that name, nor one that is called nearly so.

        Raises:
            click.UsageError: there is one that is called nearly so.
        """
        if cmd_name not in COMMANDS:
            if not ctx.resilient_parsing and (near := difflib.get_close_matches(cmd_name, COMMANDS)):
                raise click.UsageError(f"no command is called {cmd_name!r}. Did you mean {' or '.join(near)}?")
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"zoo.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a whole sentence about each command, over as many lines as it takes."""
        with formatter.section("Commands"):
            found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in found if command])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zoo")
def cli() -> None:
    """Pretrained models: what there is, where it comes from, and whether it is whole.

    \b
    Settings, as environment variables:
      GRAFT_CACHE=FOLDER   where weights and trunks are kept (default ~/.cache/graft)
      GRAFT_LOCK=FILE      the hashes that weights must have (default: graft.lock, here or above)
      GRAFT_OFFLINE=1      never open a connection
      GRAFT_MIRROR=URL     fetch from URL/HOST/PATH and URL/wheels/FILE instead
      HTTPS_PROXY=URL      go through a proxy; NO_PROXY=HOST,... but not to these

    \b
    Examples:
      zoo list
      zoo pull mobilenet_v2
    """  # noqa: D301 - click reads the backspace character


def main() -> None:
    """Run the command."""
    run_cli(cli)
