"""The table of `zoo list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from zoo import lockfile
from zoo.backbone import DEFAULT_IMAGE_BACKBONE, Backbone, ImageSpec
from zoo.commands.telling import align_columns, format_or_unknown
from zoo.finding import backbone_kind, license_name
from zoo.lockfile import Lockfile
from zoo.trust import hash_policy

if TYPE_CHECKING:
    from zoo.bench.here import MachineResults

_HEADER: Final = ("NAME", "INPUT", "FEATURES", "PARAMS", "DOWNLOAD", "TOP-1", "PRECISION", "TRUST", "LICENSE")


def backbone_table(backbones: Sequence[Backbone]) -> str:
    """Return backbones as a table, one a row, and what is to be said below it."""
    text = align_columns([_HEADER, *_backbone_rows(backbones)])
    if any(backbone.name == DEFAULT_IMAGE_BACKBONE for backbone in backbones):
        text += f"\n\n{DEFAULT_IMAGE_BACKBONE} is the default. `zoo show NAME` tells more."
    return text


def backbone_speed_table(backbones: Sequence[Backbone], results: MachineResults) -> str:
    """Return `backbone_table` with what was measured on this machine behind the name."""
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
    """Say what the milliseconds are of, and what is missing."""
    results = [result for backbone in backbones if (result := machine_results.result(backbone))]
    lengths = sorted({result.tokens for result in results if result.tokens})
    texts = f" or a text of {', '.join(map(str, lengths))} tokens" if lengths else ""
    yield f"MS HERE: milliseconds of one image{texts}, alone on one thread, in that PRECISION, on {machine_results.machine}."
    if any(result.weights == "random" for result in results):
        yield "*: measured with random weights, which are as fast."
    if missing := len(backbones) - len(results):
        yield f"{missing} of {len(backbones)} are unmeasured; `zoo bench NAME` measures."


def format_millions(params: int | None) -> str:
    """Return a number of parameters as people read it."""
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
    load = format_or_unknown(b.megabytes, "{:.1f} MB")
    facts = (
        format_or_unknown(b.width, "{}"),
        format_millions(b.params),
        load,
        accuracy,
        str(b.precision),
        str(hash_policy(b, lock)),
    )
    return (b.name, size, *facts, license_name(b))
