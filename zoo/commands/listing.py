"""`zoo show`: all that is known of a backbone."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from zoo import lockfile
from zoo.backbone import DEFAULT, Backbone, Pixels, Precision, WheelSource, get
from zoo.commands.telling import AS_JSON, UNKNOWN, aligned, known, licenses, params_of, takes
from zoo.completing import backbones
from zoo.heads import own_head, publishes
from zoo.lockfile import Lock
from zoo.possible import reason_against
from zoo.trust import MEANING, promises, trust


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
    from zoo.bench.here import here
    from zoo.commands.speeds import speed_told
    from zoo.presets import filled

    backbone, measured = get(name), here()
    built = {str(p): trunk_cache.lookup(backbone, p) for p in Precision}
    if fp32 := built[str(Precision.FP32)]:
        backbone = filled(backbone, fp32.facts)
    lock = lockfile.read()
    facts = facts_of(backbone, lock) | {
        "trunks": {p: found.facts | {"path": str(found.path)} for p, found in built.items() if found}
    }
    facts |= measured.facts(backbone)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    ready = ", ".join(p for p, found in built.items() if found) or f"none yet; run: zoo pull {backbone.name}"
    speed = speed_told(backbone, measured)
    if reason := reason_against(backbone):
        ready, speed = f"none can be made: {reason}", "none without a trunk"
    click.echo(aligned([*_story(backbone, lock), ("trunks here", ready), ("speed here", speed)]))


def facts_of(backbone: Backbone, lock: Lock | None) -> dict[str, Any]:
    """Return all that the catalog and the lock file say of a backbone, for programs."""
    more = {"default": backbone.name == DEFAULT, "fits_cpu": backbone.fits_cpu, "cannot": reason_against(backbone)}
    return asdict(backbone) | more | {"publishes": publishes(backbone), "trust": str(trust(backbone, lock))}


def _story(b: Backbone, lock: Lock | None) -> list[tuple[str, str]]:
    if isinstance(b.source, WheelSource):
        fetcher, digest = "pip", b.source.members[0].sha256
        origin = f"{b.source.members[0].name} in {b.source.package}=={b.source.version}"
    else:
        fetcher, digest = "zoo", b.source.files[0].sha256 or ""
        origin = b.source.files[0].url
    if isinstance(b.takes, Pixels):
        what = f"{takes(b)}, scaled inside the graph ({b.takes.scaling}); pooling: {b.takes.pooling}"
    else:
        what = f"{takes(b)}, at most {b.takes.max_tokens} tokens a text; pooling: {b.takes.pooling}"
    trusted = trust(b, lock)
    return [
        ("name", b.name),
        ("architecture", f"{b.library}, {params_of(b)} parameters, {b.paper or 'no paper known'}"),
        ("about", b.about or UNKNOWN),
        ("card", b.card or UNKNOWN),
        ("input", what),
        ("output", f"float32 [n,{known(b.width, '{}')}]"),
        *_accuracy(b),
        ("weights", f"{origin}{_more(b)}, {known(b.megabytes, '{:.1f} MB')}"),
        ("fetched by", fetcher),
        ("sha256", digest or "none published"),
        ("trust", f"{trusted}: {MEANING[trusted]}"),
        *licenses(b),
        ("precision", f"{b.precision} by default; int8: {b.int8}"),
        ("fits a CPU", {True: "yes", False: "no", None: UNKNOWN}[b.fits_cpu]),
        ("classifier", _classifier(b)),
        *_differences(b),
    ]


def _accuracy(b: Backbone) -> list[tuple[str, str]]:
    """Return a row for pictures; of a text encoder nobody asks for its accuracy on ImageNet."""
    told = known(b.top1, "{:.1f} % top-1 on ImageNet, as published")
    return [("accuracy", told)] if isinstance(b.takes, Pixels) else []


def _more(b: Backbone) -> str:
    others = len(promises(b)) - 1
    return f" and {others} more {'file' if others == 1 else 'files'}" if others else ""


def _differences(b: Backbone) -> list[tuple[str, str]]:
    plain = {True: " (in plain text too)", False: ""}
    told = [f"{d.kind}: {d.ours}; {b.library}: {d.keras_hub}{plain[d.plain]}" for d in b.differences]
    return [("tokens differ" if at == 0 else "", line) for at, line in enumerate(told)]


def _classifier(b: Backbone) -> str:
    """Say whether `zoo publish` takes a backbone."""
    if not (takes_it := publishes(b)):
        return "none of its own" if takes_it is False else f"unknown; `zoo publish {b.name}` asks for one"
    trunk = own_head(b).trunk
    apart = "" if trunk == b else f", on a trunk of its own: {trunk.name}, {trunk.width} features"
    return f"ImageNet's 1,000 classes; run: zoo publish {b.name}{apart}"
