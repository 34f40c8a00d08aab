"""`zoo bundle-weights` and `zoo load`: weights carried to a machine without network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from zoo.catalog.find import get_backbone
from zoo.cli.format import JSON_OPTION, align_columns
from zoo.cli.options import complete_backbones


@click.command("bundle-weights")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_backbones)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE")
@click.option("--trunks", is_flag=True, help="Pack the built trunks, too: a machine that only serves needs no Keras.")
@JSON_OPTION
def bundle_weights(names: Sequence[str], output: Path, trunks: bool, as_json: bool) -> None:
    """Pack the weights of each NAME, and what belongs to them, into a tar FILE for a machine without network.

    What is not in the cache is fetched first. `zoo load FILE` takes it in.

    \b
    Example:
      zoo bundle-weights efficientnet_lite0 bert_tiny.en_uncased --trunks -o weights.tar
    """  # noqa: D301 - click reads the backspace character
    from graft.progress.terminal import TerminalProgress
    from zoo.manage.offline_pack import pack_weights

    index = pack_weights(tuple(dict.fromkeys(map(get_backbone, names))), output, TerminalProgress(), trunks=trunks)
    if as_json:
        content = {"path": str(output), "bytes": output.stat().st_size, "files": [asdict(file) for file in index.files]}
        click.echo(json.dumps(content, indent=2))
        return
    click.echo(align_columns([("SIZE", "FILE"), *((f"{file.bytes / 1e6:,.1f} MB", file.path) for file in index.files)]))
    click.echo(f"\npacked {output}, {output.stat().st_size / 1e6:,.1f} MB. Take it in with: zoo load {output.name}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@JSON_OPTION
def load(file: Path, as_json: bool) -> None:
    """Take the weights in FILE, which `zoo bundle-weights` wrote, into the cache: all of them or nothing.

    They are held to the catalog, to graft.lock and to what is on record here. That shows that they are whole, not who
    packed them: take packs from people you trust. Where there is a graft.lock, what came is added to it.

    \b
    Example:
      zoo load weights.tar
    """  # noqa: D301 - click reads the backspace character
    from graft.progress.terminal import TerminalProgress
    from zoo.manage.offline_unpack import unpack_weights

    results = unpack_weights(file, TerminalProgress())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in results], indent=2))
        return
    rows = [("taken in" if one.new else "was here", one.kind, one.name, one.path) for one in results]
    licenses = [(name, get_backbone(name).license or "unknown") for name in dict.fromkeys(one.name for one in results)]
    click.echo(f"{align_columns(rows)}\n\n{align_columns([('NAME', 'LICENSE'), *licenses])}")
