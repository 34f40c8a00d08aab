"""What the commands share: an error becomes one clear line and an exit status, never a traceback."""

from __future__ import annotations

import os
import sys

import click

from zoo.errors import GraftError


def run(command: click.Command) -> None:
    """Run a click command as a program.

    Exit status: 0 done, 1 an error that was explained, 2 wrong usage, 130 stopped by Ctrl-C, 141 nobody reads what
    it prints.
    """
    try:
        command.main(standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped: nothing half-made was left behind.", err=True)
        sys.exit(130)
    except BrokenPipeError:  # `| head` has read enough; nothing more may be written, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except GraftError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
