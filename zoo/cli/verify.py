"""`zoo verify`: hash the cache again and compare it with its records and graft.lock."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from zoo.catalog.find import get_backbone
from zoo.cli.format import JSON_OPTION, align_columns
from zoo.cli.options import complete_backbones


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_backbones)
@JSON_OPTION
def verify(names: Sequence[str], as_json: bool) -> None:
    """Hash the cached files of each NAME, or of all backbones, and compare with their records and graft.lock.

    Exit status 1 means that a file is damaged or differs from graft.lock.

    \b
    Example:
      zoo verify
    """  # noqa: D301 - click reads the backspace character
    from graft.progress.terminal import TerminalProgress
    from zoo.manage.verify_cached import FileState, verify_cached

    results = verify_cached([get_backbone(name) for name in names], TerminalProgress())
    failures = [item for item in results if not item.is_intact]
    if as_json:
        click.echo(json.dumps([asdict(item) | {"whole": item.is_intact} for item in results], indent=2))
    elif not results:
        of_these = f" of {', '.join(names)}" if names else ""
        click.echo(f"nothing{of_these} is cached yet; run: zoo pull NAME")
    else:
        state_names = {FileState.FINE: "fine", FileState.DAMAGED: "DAMAGED", FileState.DIFFERS: "DIFFERS"}
        click.echo(align_columns([(state_names[i.state], i.kind, i.trust, i.name, i.path) for i in results]))
    if any(item.state is FileState.DIFFERS for item in failures):
        click.echo(
            "What DIFFERS has another SHA-256 in graft.lock; to accept it on purpose: zoo pull NAME --relock", err=True
        )
    if failures:
        redo = " ".join(sorted({item.name for item in failures}))
        click.echo(f"{len(failures)} of {len(results)}: damaged or different. Restore with: zoo pull {redo}", err=True)
        sys.exit(1)
