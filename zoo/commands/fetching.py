"""`zoo pull` and `zoo verify`: weights and trunks in the cache, and whether they are whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from zoo.backbone import Precision, get
from zoo.commands.telling import AS_JSON, aligned, licenses, takes


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--precision", type=click.Choice([str(p) for p in Precision]), help="Default: what the backbone names.")
def pull(names: Sequence[str], precision: str | None) -> None:
    """Fetch the weights of each NAME and build its trunk, so that later work needs no network.

    \b
    Example:
      zoo pull efficientnet_lite0 --precision int8
    """  # noqa: D301 - click reads the backspace character
    from zoo import trunk_cache
    from zoo.presets import filled
    from zoo.terminal import Terminal

    for backbone in [get(name) for name in names]:
        chosen = Precision(precision) if precision else backbone.precision
        progress = Terminal()
        if chosen is Precision.INT8 and backbone.precision is not Precision.INT8:
            progress.say(
                f"note: int8 of {backbone.name} is {backbone.int8}; compare its accuracy with fp32 before you use it."
            )
        found = trunk_cache.ensure(backbone, chosen, progress)
        backbone = filled(backbone, found.facts)
        size = f"{found.facts['bytes'] / 1e6:.1f} MB, {takes(backbone)} -> float32 [n,{backbone.width}]"
        rows = [("pulled", f"{backbone.name} in {chosen}"), ("size", size), ("path", str(found.path))]
        click.echo(aligned([*rows, *licenses(backbone)]))


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@AS_JSON
def verify(names: Sequence[str], as_json: bool) -> None:
    """Hash what is cached once more and compare with what is on record; of each NAME, or of all.

    Exit status 1 tells that something is damaged.

    \b
    Example:
      zoo verify
    """  # noqa: D301 - click reads the backspace character
    from zoo.verify import verify as check

    found = check([get(name) for name in names])
    damaged = [item for item in found if not item.whole]
    if as_json:
        click.echo(json.dumps([asdict(item) for item in found], indent=2))
    elif not found:
        click.echo("nothing is cached yet; `zoo pull NAME` fetches.")
    else:
        click.echo(aligned([("fine" if item.whole else "DAMAGED", item.kind, item.name, item.path) for item in found]))
    if damaged:
        redo = " ".join(sorted({item.name for item in damaged}))
        click.echo(f"{len(damaged)} of {len(found)} are damaged. Make them again with: zoo pull {redo}", err=True)
        sys.exit(1)
