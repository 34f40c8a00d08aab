"""Run a command: an expected error becomes one line on standard error and an exit status, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from graft.errors import GraftError
from graft.progress import Progress, SilentProgress

INTERRUPT_MESSAGE: Final = "stopped: no partial results were left behind."


def run_cli(command: click.Command) -> None:
    """Run a click command as a program, and exit.

    Exit status: 0 success, 1 an expected error, 2 wrong usage, 130 stopped by Ctrl-C, 141 the reader of standard output
    closed it.
    """
    try:
        command.main(standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(INTERRUPT_MESSAGE, err=True)
        sys.exit(130)
    except BrokenPipeError:  # as `| head` does; nothing more may be written, not even at exit
        _discard_stdout()
        sys.exit(141)
    except GraftError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except OSError as fault:  # a full disk, a folder without permission
        _discard_stdout()
        where = f": {fault.filename}" if fault.filename else ""
        click.echo(f"error: {fault.strerror or fault}{where}. Check the free disk space and the permissions.", err=True)
        sys.exit(1)


def _discard_stdout() -> None:
    """Redirect standard output to nowhere: Python would flush it at exit, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress_reporter(mode: str) -> Iterator[Progress]:
    """Yield the Progress for a command's --progress: "auto", "json" or "none".

    With "json", an error that ends the command is written as an event, too.
    """
    from graft.progress.json_lines import JsonLinesProgress
    from graft.progress.terminal import TerminalProgress

    if mode != "json":
        yield SilentProgress() if mode == "none" else TerminalProgress()
        return
    reporter = JsonLinesProgress()
    try:
        yield reporter
    except GraftError as error:
        reporter.log_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        reporter.log_error(INTERRUPT_MESSAGE)
        sys.exit(130)
