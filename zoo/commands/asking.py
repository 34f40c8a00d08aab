"""The options that narrow a list down; each checks what it is given, and is completed by the shell."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import click
from click.shell_completion import CompletionItem

from zoo.backbone import catalog
from zoo.completing import beginning
from zoo.finding import KINDS, count_of, license_of, sources_of

Words = Callable[[], Iterable[str]]


def _licenses() -> Iterator[str]:
    return map(license_of, catalog())


def _sources() -> Iterator[str]:
    return (source for entry in catalog() for source in sources_of(entry))


def _one_of(words: Words) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return a check that a value is one of `words`, whatever its case; a wrong one is answered by what there is."""

    def check(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
        known = {word.lower(): word for word in words()}
        if value is None or value.lower() in known:
            return value and known[value.lower()]
        near = difflib.get_close_matches(value.lower(), known, n=1, cutoff=0.5)
        hint = f"did you mean {known[near[0]]}? " if near else ""
        raise click.BadParameter(f"no backbone has {value!r}; {hint}there are {', '.join(sorted(known.values()))}.")

    return check


def _offering(words: Words) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    return lambda _, param, incomplete: beginning(words(), incomplete)


def _count(_: click.Context, param: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else count_of(value)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from None


KIND: Final = click.option("--kind", type=click.Choice(KINDS), help="What it takes.")
MAX_PARAMS: Final = click.option(
    "--max-params", callback=_count, metavar="N", help="At most so many parameters: 10M, 500k, 1.2B."
)
LICENSE: Final = click.option(
    "--license",
    "license_",
    callback=_one_of(_licenses),
    shell_complete=_offering(_licenses),
    metavar="SPDX",
    help="Of the weights: Apache-2.0, MIT, ...",
)
SOURCE: Final = click.option(
    "--source",
    callback=_one_of(_sources),
    shell_complete=_offering(_sources),
    metavar="LIBRARY",
    help="keras.applications, keras-hub, ...; or wheel.",
)
