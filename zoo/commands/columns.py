"""The table of `zoo list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from zoo import lockfile
from zoo.backbone import DEFAULT, Backbone, Pixels
from zoo.commands.telling import aligned, known
from zoo.finding import kind_of, license_of
from zoo.lockfile import Lock
from zoo.trust import trust

if TYPE_CHECKING:
    from zoo.bench.here import Here

_HEAD: Final = ("NAME", "INPUT", "FEATURES", "PARAMS", "DOWNLOAD", "TOP-1", "PRECISION", "TRUST", "LICENSE")


def table(found: Sequence[Backbone]) -> str:
    """Return backbones as a table, one a row, and what is to be said below it."""
    said = aligned([_HEAD, *_rows(found)])
    if any(backbone.name == DEFAULT for backbone in found):
        said += f"\n\n{DEFAULT} is the default. `zoo show NAME` tells more."
    return said


def fast_table(found: Sequence[Backbone], here: Here) -> str:
    """Return `table` with what was measured on this machine behind the name."""
    faster = [(name, _ms(backbone, here), *rest) for backbone, (name, *rest) in zip(found, _rows(found), strict=True)]
    return "\n".join([aligned([(_HEAD[0], "MS HERE", *_HEAD[1:]), *faster]), "", *_about(found, here)])


def _ms(backbone: Backbone, here: Here) -> str:
    result = here.result(backbone)
    mark = " *" if result and result.weights == "random" else ""
    return f"{here.ms(backbone):.2f}{mark}" if result else "unmeasured"


def _about(found: Sequence[Backbone], here: Here) -> Iterator[str]:
    """Say what the milliseconds are of, and what is missing."""
    results = [result for backbone in found if (result := here.result(backbone))]
    lengths = sorted({result.tokens for result in results if result.tokens})
    texts = f" or a text of {', '.join(map(str, lengths))} tokens" if lengths else ""
    yield f"MS HERE: milliseconds of one image{texts}, alone on one thread, in that PRECISION, on {here.machine}."
    if any(result.weights == "random" for result in results):
        yield "*: measured with random weights, which are as fast."
    if missing := len(found) - len(results):
        yield f"{missing} of {len(found)} are unmeasured; `zoo bench NAME` measures."


def millions(params: int | None) -> str:
    """Return a number of parameters as people read it."""
    return known(None if params is None else params / 1e6, "{:.1f} M")


def _rows(found: Sequence[Backbone]) -> list[tuple[str, ...]]:
    lock = lockfile.read()
    return [_row(backbone, lock) for backbone in found]


def _row(b: Backbone, lock: Lock | None) -> tuple[str, ...]:
    size = known(b.takes.size, "{0} x {0}") if isinstance(b.takes, Pixels) else known(b.takes.max_tokens, "{} tokens")
    accuracy = "-" if kind_of(b) == "text" else known(b.top1, "{:.1f} %")
    load = known(b.megabytes, "{:.1f} MB")
    facts = (known(b.width, "{}"), millions(b.params), load, accuracy, str(b.precision), str(trust(b, lock)))
    return (b.name, size, *facts, license_of(b))
