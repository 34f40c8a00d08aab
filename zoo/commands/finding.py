"""`zoo list`: which backbones there are, narrowed down and in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from zoo import lockfile
from zoo.backbone import Backbone
from zoo.commands.asking import KIND_OPTION, LICENSE_OPTION, MAX_PARAMS_OPTION, SOURCE_OPTION
from zoo.commands.columns import backbone_speed_table, backbone_table
from zoo.commands.listing import backbone_facts
from zoo.commands.telling import JSON_OPTION
from zoo.completing import complete_backbones
from zoo.finding import SORT_KEYS, find_backbones, nearest_architectures, sort_backbones

if TYPE_CHECKING:
    from zoo.bench.here import MachineResults


@click.command("list")
@click.argument("word", default="", shell_complete=complete_backbones)
@KIND_OPTION
@MAX_PARAMS_OPTION
@LICENSE_OPTION
@SOURCE_OPTION
@click.option(
    "--sort", type=click.Choice(("name", *SORT_KEYS)), help="Best or smallest first, the unknown last.  [default: name]"
)
@click.option("--fast", is_flag=True, help="Fastest on this machine first; `zoo bench` measures.")
@click.option("--names", is_flag=True, help="Print the names only, one a line.")
@JSON_OPTION
def list_(
    word: str,
    license_: str | None,
    sort: str | None,
    fast: bool,
    names: bool,
    as_json: bool,
    **filters: Any,  # noqa: ANN401
) -> None:
    """List the backbones, or those whose name contains WORD and that are all of what the options ask for.

    \b
    Examples:
      zoo list mobilenet
      zoo list --kind image --max-params 10M --sort top1
      zoo list --fast --kind image
      zoo pull $(zoo list resnet --license MIT --names)
    """  # noqa: D301 - click reads the backspace character
    matches = find_backbones(word, license=license_, **filters)
    if filters["max_params"] is not None:
        _report_unknown_params(find_backbones(word, license=license_, **filters | {"max_params": None}))
    results = _load_results() if fast else None
    if order := SORT_KEYS.get(sort or "name") if sort or results is None else results.ms_per_sample:
        matches = sort_backbones(matches, order)
    if as_json:
        lock = lockfile.read_lockfile()
        click.echo(
            json.dumps(
                [backbone_facts(b, lock) | (results.speed_facts(b) if results else {}) for b in matches], indent=2
            )
        )
    elif not matches:
        click.echo(f"{_no_match_message(word)} `zoo list` shows all.", err=True)
    elif names:
        click.echo("\n".join(backbone.name for backbone in matches))
    else:
        click.echo(backbone_speed_table(matches, results) if results else backbone_table(matches))


def _report_unknown_params(candidates: Sequence[Backbone]) -> None:
    """Say on standard error how many of those that fit otherwise have no known number of parameters."""
    params: list[int | None] = [backbone.params for backbone in candidates]
    if unknown := params.count(None):
        click.echo(f"note: left out, because their parameters are unknown: {unknown}.", err=True)


def _load_results() -> MachineResults:
    from zoo.bench.here import load_machine_results  # a list without --fast need not wait for what it imports

    return load_machine_results()


def _no_match_message(word: str) -> str:
    """Say what there is not: the word in any name, or a backbone that is all that the options ask for besides."""
    if not word:
        return "no backbone is all of that."
    if matches := find_backbones(word):
        return f"none of the {len(matches)} with {word!r} in the name is all of that."
    near = nearest_architectures(word)
    return f"no backbone has {word!r} in its name." + (f" Did you mean {' or '.join(near)}?" if near else "")
