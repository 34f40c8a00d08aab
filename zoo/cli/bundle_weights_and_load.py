"""`zoo bundle-weights` and `zoo load`: carry weights to a machine without network (air gap) in one file."""

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
@click.option("--trunks", is_flag=True, help="Also pack the built trunks, so that the other machine needs no Keras.")
@JSON_OPTION
def bundle_weights(names: Sequence[str], output: Path, trunks: bool, as_json: bool) -> None:
    """Pack the weights of each NAME, and their other files, into a tar FILE for a machine without network.

    What is not cached is downloaded first. `zoo load FILE` loads it there.

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
    click.echo(f"\npacked {output}, {output.stat().st_size / 1e6:,.1f} MB. Load it with: zoo load {output.name}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@JSON_OPTION
def load(file: Path, as_json: bool) -> None:
    """Load the weights in FILE, which `zoo bundle-weights` wrote, into the cache: all of them or none.

    Their hashes must match the catalog, graft.lock and the records of this cache. That proves integrity, not origin:
    load packs from people you trust only. If there is a graft.lock, the loaded weights are added to it.

    \b
    Example:
      zoo load weights.tar
    """  # noqa: D301 - click reads the backspace character
    from graft.progress.terminal import TerminalProgress
    from zoo.manage.offline_unpack import unpack_weights

    results = unpack_weights(file, TerminalProgress())
    if as_json:
        click.echo(json.dumps([asdict(item) for item in results], indent=2))
        return
    rows = [("loaded" if item.new else "was cached", item.kind, item.name, item.path) for item in results]
    names = dict.fromkeys(item.name for item in results)
    licenses = [(name, get_backbone(name).license or "unknown") for name in names]
    click.echo(f"{align_columns(rows)}\n\n{align_columns([('NAME', 'LICENSE'), *licenses])}")
