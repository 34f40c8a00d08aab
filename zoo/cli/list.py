"""`zoo list`: list, filter and sort backbones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Backbone, ImageSpec
from zoo.catalog.find import (
    SORT_KEYS,
    backbone_kind,
    find_backbones,
    license_name,
    nearest_architectures,
    sort_backbones,
)
from zoo.cli.format import JSON_OPTION, align_columns, format_or_unknown
from zoo.cli.options import KIND_OPTION, LICENSE_OPTION, MAX_PARAMS_OPTION, SOURCE_OPTION, complete_backbones
from zoo.cli.show import backbone_facts
from zoo.weights import lockfile
from zoo.weights.checksums import hash_policy
from zoo.weights.lockfile import Lockfile

if TYPE_CHECKING:
    from zoo.bench.results_file import MachineResults

_HEADER: Final = ("NAME", "INPUT", "FEATURES", "PARAMS", "DOWNLOAD", "TOP-1", "PRECISION", "TRUST", "LICENSE")


@click.command("list")
@click.argument("word", default="", shell_complete=complete_backbones)
@KIND_OPTION
@MAX_PARAMS_OPTION
@LICENSE_OPTION
@SOURCE_OPTION
@click.option(
    "--sort", type=click.Choice(("name", *SORT_KEYS)), help="Best or smallest first, unknown last.  [default: name]"
)
@click.option("--fast", is_flag=True, help="Fastest on this machine first, as measured by `zoo bench`.")
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
    """List the backbones whose name contains WORD and that match all of the options.

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
    """Print on standard error how many backbones are left out because their number of parameters is unknown."""
    params: list[int | None] = [backbone.params for backbone in candidates]
    if unknown := params.count(None):
        click.echo(f"note: left out, because their parameters are unknown: {unknown}.", err=True)


def _load_results() -> MachineResults:
    from zoo.bench.results_file import load_machine_results  # slow to import; only --fast needs it

    return load_machine_results()


def _no_match_message(word: str) -> str:
    """Return whether the word or the options have no match, with similar names."""
    if not word:
        return "no backbone matches all of the options."
    if matches := find_backbones(word):
        return f"none of the {len(matches)} backbones with {word!r} in the name matches all of the options."
    nearest = nearest_architectures(word)
    return f"no backbone has {word!r} in its name." + (f" Did you mean {' or '.join(nearest)}?" if nearest else "")


def backbone_table(backbones: Sequence[Backbone]) -> str:
    """Return backbones as a table, one a row, with a note below it."""
    text = align_columns([_HEADER, *_backbone_rows(backbones)])
    if any(backbone.name == DEFAULT_IMAGE_BACKBONE for backbone in backbones):
        text += f"\n\n{DEFAULT_IMAGE_BACKBONE} is the default. For details run: zoo show NAME"
    return text


def backbone_speed_table(backbones: Sequence[Backbone], results: MachineResults) -> str:
    """Return `backbone_table` with a column of the milliseconds measured on this machine."""
    rows = [
        (name, _format_ms(backbone, results), *rest)
        for backbone, (name, *rest) in zip(backbones, _backbone_rows(backbones), strict=True)
    ]
    return "\n".join(
        [align_columns([(_HEADER[0], "MS HERE", *_HEADER[1:]), *rows]), "", *_speed_footnotes(backbones, results)]
    )


def _format_ms(backbone: Backbone, results: MachineResults) -> str:
    result = results.result(backbone)
    mark = " *" if result and result.weights == "random" else ""
    return f"{results.ms_per_sample(backbone):.2f}{mark}" if result else "unmeasured"


def _speed_footnotes(backbones: Sequence[Backbone], machine_results: MachineResults) -> Iterator[str]:
    """Yield notes on what the milliseconds mean, and how many backbones are unmeasured."""
    results = [result for backbone in backbones if (result := machine_results.result(backbone))]
    lengths = sorted({result.tokens for result in results if result.tokens})
    texts = f" or a text of {', '.join(map(str, lengths))} tokens" if lengths else ""
    machine = machine_results.machine
    yield f"MS HERE: milliseconds for one image{texts}, batch size 1, one thread, in that PRECISION, on {machine}."
    if any(result.weights == "random" for result in results):
        yield "*: measured with random weights, at the same speed."
    if missing := len(backbones) - len(results):
        yield f"{missing} of {len(backbones)} are unmeasured; run: zoo bench NAME"


def format_millions(params: int | None) -> str:
    """Return a number of parameters in millions.

    >>> format_millions(2_257_984)
    '2.3 M'
    """
    return format_or_unknown(None if params is None else params / 1e6, "{:.1f} M")


def _backbone_rows(backbones: Sequence[Backbone]) -> list[tuple[str, ...]]:
    lock = lockfile.read_lockfile()
    return [_backbone_row(backbone, lock) for backbone in backbones]


def _backbone_row(b: Backbone, lock: Lockfile | None) -> tuple[str, ...]:
    size = (
        format_or_unknown(b.takes.size, "{0} x {0}")
        if isinstance(b.takes, ImageSpec)
        else format_or_unknown(b.takes.max_tokens, "{} tokens")
    )
    accuracy = "-" if backbone_kind(b) == "text" else format_or_unknown(b.top1, "{:.1f} %")
    facts = (
        format_or_unknown(b.width, "{}"),
        format_millions(b.params),
        format_or_unknown(b.megabytes, "{:.1f} MB"),
        accuracy,
        str(b.precision),
        str(hash_policy(b, lock)),
    )
    return (b.name, size, *facts, license_name(b))
