"""The command `zoo` and its subcommands, each imported when it is called."""

from __future__ import annotations

import difflib
import importlib
from typing import Final

import click

from graft import __version__
from graft.cli.run_cli import run_cli

# Name of a subcommand -> its module below zoo.cli, and its name there.
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
    """A click group that imports its commands lazily, so that `zoo list` starts fast whatever the others import."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name; None if there is none, and none with a similar name.

        Raises:
            click.UsageError: there is one with a similar name; the message suggests it.
        """
        if cmd_name not in COMMANDS:
            if not ctx.resilient_parsing and (near := difflib.get_close_matches(cmd_name, COMMANDS)):
                raise click.UsageError(f"no command is called {cmd_name!r}. Did you mean {' or '.join(near)}?")
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"zoo.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one full sentence about each command, wrapped instead of cut off."""
        with formatter.section("Commands"):
            commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in commands if command])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zoo")
def cli() -> None:
    """Pretrained models: list, download, verify, benchmark, convert, publish and export them.

    \b
    Settings, as environment variables:
      GRAFT_CACHE=FOLDER   cache of weights and trunks (default ~/.cache/graft)
      GRAFT_LOCK=FILE      lock file with the SHA-256 of weights (default: graft.lock, here or above)
      GRAFT_OFFLINE=1      never open a connection
      GRAFT_MIRROR=URL     download from the mirror: URL/HOST/PATH and URL/wheels/FILE
      HTTPS_PROXY=URL      use a proxy; NO_PROXY=HOST,... except for these hosts

    \b
    Examples:
      zoo list
      zoo pull mobilenet_v2
    """  # noqa: D301 - click reads the backspace character


def main() -> None:
    """Run the command `zoo`."""
    run_cli(cli)
