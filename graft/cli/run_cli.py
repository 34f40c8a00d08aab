"""What the commands share: an error becomes one clear line and an exit status, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from graft.errors import GraftError
from graft.progress import Progress, SilentProgress

INTERRUPT_MESSAGE: Final = "stopped: nothing half-made was left behind."


def run_cli(command: click.Command) -> None:
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
        click.echo(INTERRUPT_MESSAGE, err=True)
        sys.exit(130)
    except BrokenPipeError:  # `| head` has read enough; nothing more may be written, not even at exit
        _discard_stdout()
        sys.exit(141)
    except GraftError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except OSError as fault:  # the disk that its output goes to is full, a folder is not to be written
        _discard_stdout()
        where = f": {fault.filename}" if fault.filename else ""
        click.echo(f"error: {fault.strerror or fault}{where}. Is there room, and may it be read and written?", err=True)
        sys.exit(1)


def _discard_stdout() -> None:
    """Let what is still to be printed go nowhere: Python would try it once more at exit, and fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress_reporter(mode: str) -> Iterator[Progress]:
    """Yield the progress that a command's --progress asks for: "auto", "json" or "none".

    As JSON Lines, what ends the command early is told as such a line, too.
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
