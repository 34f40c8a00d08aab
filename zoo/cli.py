"""The command `zoo`: list, show, pull and verify pretrained models. Each command imports what it needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from zoo import __version__, console
from zoo.backbone import DEFAULT, Backbone, Pixels, Precision, WheelSource, find, get

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zoo")
def cli() -> None:
    """Pretrained models: what there is, where it comes from, and whether it is whole.

    \b
    Settings, as environment variables:
      GRAFT_CACHE=FOLDER   where weights and trunks are kept (default ~/.cache/graft)
      GRAFT_OFFLINE=1      never open a connection
      GRAFT_MIRROR=URL     fetch from URL/HOST/PATH and URL/wheels/FILE instead

    \b
    Examples:
      zoo list
      zoo pull mobilenet_v2
    """  # noqa: D301 - click reads the backspace character


@cli.command("list")
@click.argument("word", default="")
@_AS_JSON
def list_(word: str, as_json: bool) -> None:
    """List the backbones, or those whose name contains WORD.

    \b
    Example:
      zoo list mobilenet
    """  # noqa: D301 - click reads the backspace character
    found = find(word)
    if as_json:
        click.echo(json.dumps([_facts(backbone) for backbone in found], indent=2))
        return
    if not found:
        click.echo(f"no backbone's name contains {word!r}; `zoo list` shows all.", err=True)
        return
    head = ("NAME", "INPUT", "FEATURES", "PARAMS", "DOWNLOAD", "TOP-1", "PRECISION", "LICENSE")
    click.echo(_aligned([head, *(_row(backbone) for backbone in found)]))
    if any(backbone.name == DEFAULT for backbone in found):
        click.echo(f"\n{DEFAULT} is the default. `zoo show NAME` tells more.")


@cli.command()
@click.argument("name")
@_AS_JSON
def show(name: str, as_json: bool) -> None:
    """Show all that is known about the backbone NAME.

    \b
    Example:
      zoo show efficientnet_lite0
    """  # noqa: D301 - click reads the backspace character
    from zoo import trunk_cache

    backbone = get(name)
    built = {str(p): trunk_cache.lookup(backbone, p) for p in Precision}
    facts = _facts(backbone) | {
        "trunks": {p: found.facts | {"path": str(found.path)} for p, found in built.items() if found}
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    ready = ", ".join(p for p, found in built.items() if found) or f"none yet; run: zoo pull {backbone.name}"
    click.echo(_aligned([*_story(backbone), ("trunks here", ready)]))


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--precision", type=click.Choice([str(p) for p in Precision]), help="Default: what the backbone names.")
def pull(names: Sequence[str], precision: str | None) -> None:
    """Fetch the weights of each NAME and build its trunk, so that later work needs no network.

    \b
    Example:
      zoo pull efficientnet_lite0 --precision int8
    """  # noqa: D301 - click reads the backspace character
    from zoo import trunk_cache
    from zoo.terminal import Terminal

    for backbone in [get(name) for name in names]:
        chosen = Precision(precision) if precision else backbone.precision
        progress = Terminal()
        if chosen is Precision.INT8 and backbone.precision is not Precision.INT8:
            progress.say(
                f"note: int8 of {backbone.name} is {backbone.int8}; compare its accuracy with fp32 before you use it."
            )
        found = trunk_cache.ensure(backbone, chosen, progress)
        size = f"{found.facts['bytes'] / 1e6:.1f} MB, {_takes(backbone)} -> float32 [n,{backbone.width}]"
        rows = [("pulled", f"{backbone.name} in {chosen}"), ("size", size), ("path", str(found.path))]
        click.echo(_aligned([*rows, *_licenses(backbone)]))


@cli.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_AS_JSON
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
        click.echo(_aligned([("fine" if item.whole else "DAMAGED", item.kind, item.name, item.path) for item in found]))
    if damaged:
        redo = " ".join(sorted({item.name for item in damaged}))
        click.echo(f"{len(damaged)} of {len(found)} are damaged. Make them again with: zoo pull {redo}", err=True)
        sys.exit(1)


def main() -> None:
    """Run the command."""
    console.run(cli)


def _facts(backbone: Backbone) -> dict[str, Any]:
    return asdict(backbone) | {"default": backbone.name == DEFAULT}


def _row(b: Backbone) -> tuple[str, ...]:
    accuracy = f"{b.top1:.1f} %" if b.top1 else "-"
    takes = f"{b.takes.size} x {b.takes.size}" if isinstance(b.takes, Pixels) else f"{b.takes.max_tokens} tokens"
    params, load = f"{b.params / 1e6:.1f} M", f"{b.megabytes:.1f} MB"
    return (b.name, takes, str(b.width), params, load, accuracy, str(b.precision), b.license)


def _story(b: Backbone) -> list[tuple[str, str]]:
    if isinstance(b.source, WheelSource):
        fetcher, digest = "pip", b.source.members[0].sha256
        origin = f"{b.source.members[0].name} in {b.source.package}=={b.source.version}"
    else:
        fetcher, digest = "zoo", b.source.files[0].sha256 or ""
        origin = b.source.files[0].url
    if isinstance(b.takes, Pixels):
        takes = f"{_takes(b)}, scaled inside the graph ({b.takes.scaling})"
    else:
        takes = f"{_takes(b)}, at most {b.takes.max_tokens} tokens a text; pooling: {b.takes.pooling}"
    return [
        ("name", b.name),
        ("architecture", f"{b.library}, {b.params:,} parameters, {b.paper}"),
        ("input", takes),
        ("output", f"float32 [n,{b.width}]"),
        ("accuracy", f"{b.top1:.1f} % top-1 on ImageNet, as published" if b.top1 else "not published"),
        ("weights", f"{origin}, {b.megabytes:.1f} MB"),
        ("fetched by", fetcher),
        ("sha256", digest or "none published: trusted on the first fetch, then recorded"),
        *_licenses(b),
        ("precision", f"{b.precision} by default; int8: {b.int8}"),
        *_differences(b),
    ]


def _differences(b: Backbone) -> list[tuple[str, str]]:
    plain = {True: " (in plain text too)", False: ""}
    told = [f"{d.kind}: {d.ours}; {b.library}: {d.keras_hub}{plain[d.plain]}" for d in b.differences]
    return [("tokens differ" if at == 0 else "", line) for at, line in enumerate(told)]


def _takes(b: Backbone) -> str:
    return f"uint8 [n,{b.takes.size},{b.takes.size},3]" if isinstance(b.takes, Pixels) else "int32 [n,t]"


def _licenses(b: Backbone) -> list[tuple[str, str]]:
    carrier = [("carrier", f"{b.source.package}, {b.source.license}")] if isinstance(b.source, WheelSource) else []
    return [("license", b.license), *carrier, ("restricts", b.restricts or "nothing beyond the licence's notice")]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns; nothing is cut off, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
