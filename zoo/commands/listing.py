"""`zoo list` and `zoo show`: what there is, and all that is known of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from zoo.backbone import DEFAULT, Backbone, Pixels, Precision, WheelSource, get
from zoo.commands.asking import KIND, LICENSE, MAX_PARAMS, SOURCE
from zoo.commands.columns import fast_table, table
from zoo.commands.telling import AS_JSON, aligned, known, licenses, takes
from zoo.completing import backbones
from zoo.finding import ORDERS, find, ordered

if TYPE_CHECKING:
    from zoo.bench.here import Here
    from zoo.bench.speed import Result


@click.command("list")
@click.argument("word", default="", shell_complete=backbones)
@KIND
@MAX_PARAMS
@LICENSE
@SOURCE
@click.option(
    "--sort", type=click.Choice(("name", *ORDERS)), help="Best or smallest first, the unknown last.  [default: name]"
)
@click.option("--fast", is_flag=True, help="Fastest on this machine first; `zoo bench` measures.")
@click.option("--names", is_flag=True, help="Print the names only, one a line.")
@AS_JSON
def list_(
    word: str,
    license_: str | None,
    sort: str | None,
    fast: bool,
    names: bool,
    as_json: bool,
    **wanted: Any,  # noqa: ANN401
) -> None:
    """List the backbones, or those whose name contains WORD and that are all of what the options ask for.

    \b
    Examples:
      zoo list mobilenet
      zoo list --kind image --max-params 10M --sort top1
      zoo list --fast --kind image
      zoo pull $(zoo list resnet --license MIT --names)
    """  # noqa: D301 - click reads the backspace character
    found = find(word, license=license_, **wanted)
    if wanted["max_params"] is not None:
        _tell_left_out(find(word, license=license_, **wanted | {"max_params": None}))
    measured = _here() if fast else None
    if order := ORDERS.get(sort or "name") if sort or measured is None else measured.ms:
        found = ordered(found, order)
    if as_json:
        click.echo(json.dumps([_facts(backbone) | _speed(backbone, measured) for backbone in found], indent=2))
    elif not found:
        click.echo(f"no backbone {_asked(word)}; `zoo list` shows all.", err=True)
    elif names:
        click.echo("\n".join(backbone.name for backbone in found))
    else:
        click.echo(fast_table(found, measured) if measured else table(found))


def _tell_left_out(candidates: Sequence[Backbone]) -> None:
    """Say on standard error how many of those that fit otherwise have no known number of parameters."""
    params: list[int | None] = [backbone.params for backbone in candidates]
    if unknown := params.count(None):
        click.echo(f"note: left out, because their parameters are unknown: {unknown}.", err=True)


def _here() -> Here:
    from zoo.bench.here import here

    return here()


def _speed(backbone: Backbone, measured: Here | None) -> dict[str, Any]:
    """Return what was measured here, for programs: all of it, and the one number that orders the list."""
    if measured is None:
        return {}
    result = measured.results.get(backbone.name)
    return {"ms_here": measured.ms(backbone), "measured_here": result.facts() if result else None}


def _asked(word: str) -> str:
    return f"has {word!r} in its name and is all of that" if word else "is all of that"


@click.command()
@click.argument("name", shell_complete=backbones)
@AS_JSON
def show(name: str, as_json: bool) -> None:
    """Show all that is known about the backbone NAME.

    \b
    Example:
      zoo show efficientnet_lite0
    """  # noqa: D301 - click reads the backspace character
    from zoo import trunk_cache

    backbone = get(name)
    measured = _here()
    built = {str(p): trunk_cache.lookup(backbone, p) for p in Precision}
    facts = (
        _facts(backbone)
        | _speed(backbone, measured)
        | {"trunks": {p: found.facts | {"path": str(found.path)} for p, found in built.items() if found}}
    )
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    ready = ", ".join(p for p, found in built.items() if found) or f"none yet; run: zoo pull {backbone.name}"
    click.echo(
        aligned([*_story(backbone), ("trunks here", ready), ("speed here", _told(measured.results.get(backbone.name)))])
    )


def _told(result: Result | None) -> str:
    """Say how fast a backbone is here, in each precision."""
    if result is None:
        return "not measured; `zoo bench` does"
    unit = f"text of {result.tokens} tokens" if result.tokens else "image"
    alone = [(speed.precision, timing.ms) for speed in result.speeds if (timing := speed.timing(1, 1))]
    random = ", with random weights" if result.weights == "random" else ""
    return ", ".join(f"{ms:.2f} ms in {precision}" for precision, ms in alone) + f", for one {unit}{random}"


def _facts(backbone: Backbone) -> dict[str, Any]:
    return asdict(backbone) | {"default": backbone.name == DEFAULT}


def _story(b: Backbone) -> list[tuple[str, str]]:
    if isinstance(b.source, WheelSource):
        fetcher, digest = "pip", b.source.members[0].sha256
        origin = f"{b.source.members[0].name} in {b.source.package}=={b.source.version}"
    else:
        fetcher, digest = "zoo", b.source.files[0].sha256 or ""
        origin = b.source.files[0].url
    if isinstance(b.takes, Pixels):
        what = f"{takes(b)}, scaled inside the graph ({b.takes.scaling})"
    else:
        what = f"{takes(b)}, at most {b.takes.max_tokens} tokens a text; pooling: {b.takes.pooling}"
    return [
        ("name", b.name),
        ("architecture", f"{b.library}, {known(b.params, '{:,}')} parameters, {b.paper}"),
        ("input", what),
        ("output", f"float32 [n,{known(b.width, '{}')}]"),
        ("accuracy", f"{b.top1:.1f} % top-1 on ImageNet, as published" if b.top1 else "not published"),
        ("weights", f"{origin}, {known(b.megabytes, '{:.1f} MB')}"),
        ("fetched by", fetcher),
        ("sha256", digest or "none published: trusted on the first fetch, then recorded"),
        *licenses(b),
        ("precision", f"{b.precision} by default; int8: {b.int8}"),
        *_differences(b),
    ]


def _differences(b: Backbone) -> list[tuple[str, str]]:
    plain = {True: " (in plain text too)", False: ""}
    told = [f"{d.kind}: {d.ours}; {b.library}: {d.keras_hub}{plain[d.plain]}" for d in b.differences]
    return [("tokens differ" if at == 0 else "", line) for at, line in enumerate(told)]
