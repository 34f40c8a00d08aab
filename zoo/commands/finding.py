"""`zoo list`: which backbones there are, narrowed down and in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from zoo import lockfile
from zoo.backbone import Backbone
from zoo.commands.asking import KIND, LICENSE, MAX_PARAMS, SOURCE
from zoo.commands.columns import fast_table, table
from zoo.commands.listing import facts_of
from zoo.commands.telling import AS_JSON
from zoo.completing import backbones
from zoo.finding import ORDERS, find, nearest, ordered

if TYPE_CHECKING:
    from zoo.bench.here import Here


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
        lock = lockfile.read()
        click.echo(json.dumps([facts_of(b, lock) | (measured.facts(b) if measured else {}) for b in found], indent=2))
    elif not found:
        click.echo(f"{_nothing(word)} `zoo list` shows all.", err=True)
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
    from zoo.bench.here import here  # a list without --fast need not wait for what it imports

    return here()


def _nothing(word: str) -> str:
    """Say what there is not: the word in any name, or a backbone that is all that the options ask for besides."""
    if not word:
        return "no backbone is all of that."
    if named := find(word):
        return f"none of the {len(named)} with {word!r} in the name is all of that."
    near = nearest(word)
    return f"no backbone has {word!r} in its name." + (f" Did you mean {' or '.join(near)}?" if near else "")
