"""`zoo show`: show all facts about a backbone."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Backbone, ImageSpec, Precision, WheelSource, unsupported_reason
from zoo.catalog.find import get_backbone
from zoo.catalog.imagenet_classifiers import can_publish, find_pretrained_classifier
from zoo.cli.format import (
    JSON_OPTION,
    UNKNOWN,
    align_columns,
    describe_input,
    describe_params,
    format_or_unknown,
    license_rows,
)
from zoo.cli.options import complete_backbones
from zoo.weights import lockfile
from zoo.weights.checksums import POLICY_DESCRIPTIONS, catalog_hashes, hash_policy
from zoo.weights.lockfile import Lockfile


@click.command()
@click.argument("name", shell_complete=complete_backbones)
@JSON_OPTION
def show(name: str, as_json: bool) -> None:
    """Show all facts about the backbone NAME.

    \b
    Example:
      zoo show efficientnet_lite0
    """  # noqa: D301 - click reads the backspace character
    from zoo.bench.results_file import load_machine_results
    from zoo.cli.format import describe_speed
    from zoo.trunks import trunk_cache
    from zoo.trunks.trunk_cache import fill_from_trunk

    backbone, results = get_backbone(name), load_machine_results()
    built = {str(p): trunk_cache.lookup_trunk(backbone, p) for p in Precision}
    if fp32 := built[str(Precision.FP32)]:
        backbone = fill_from_trunk(backbone, fp32.facts)
    lock = lockfile.read_lockfile()
    facts = backbone_facts(backbone, lock) | {
        "trunks": {p: trunk.facts | {"path": str(trunk.path)} for p, trunk in built.items() if trunk}
    }
    facts |= results.speed_facts(backbone)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    ready = ", ".join(p for p, trunk in built.items() if trunk) or f"none yet; run: zoo pull {backbone.name}"
    speed = describe_speed(backbone, results)
    if reason := unsupported_reason(backbone):
        ready, speed = f"none can be built: {reason}", "none without a trunk"
    click.echo(align_columns([*_detail_rows(backbone, lock), ("trunks here", ready), ("speed here", speed)]))


def backbone_facts(backbone: Backbone, lock: Lockfile | None) -> dict[str, Any]:
    """Return the facts about a backbone in the catalog and the lock file, as in `--json`."""
    more = {
        "default": backbone.name == DEFAULT_IMAGE_BACKBONE,
        "fits_cpu": backbone.fits_cpu,
        "cannot": unsupported_reason(backbone),
    }
    return asdict(backbone) | more | {"publishes": can_publish(backbone), "trust": str(hash_policy(backbone, lock))}


def _detail_rows(b: Backbone, lock: Lockfile | None) -> list[tuple[str, str]]:
    if isinstance(b.source, WheelSource):
        fetcher, digest = "pip", b.source.members[0].sha256
        origin = f"{b.source.members[0].name} in {b.source.package}=={b.source.version}"
    else:
        fetcher, digest = "zoo", b.source.files[0].sha256 or ""
        origin = b.source.files[0].url
    if isinstance(b.takes, ImageSpec):
        input_text = f"{describe_input(b)}, scaled inside the graph ({b.takes.scaling}); pooling: {b.takes.pooling}"
    else:
        input_text = f"{describe_input(b)}, at most {b.takes.max_tokens} tokens a text; pooling: {b.takes.pooling}"
    policy = hash_policy(b, lock)
    return [
        ("name", b.name),
        ("architecture", f"{b.library}, {describe_params(b)} parameters, {b.paper or 'no paper known'}"),
        ("about", b.about or UNKNOWN),
        ("card", b.card or UNKNOWN),
        ("input", input_text),
        ("output", f"float32 [n,{format_or_unknown(b.width, '{}')}]"),
        *_accuracy_rows(b),
        ("weights", f"{origin}{_other_files_note(b)}, {format_or_unknown(b.megabytes, '{:.1f} MB')}"),
        ("fetched by", fetcher),
        ("sha256", digest or "none published"),
        ("trust", f"{policy}: {POLICY_DESCRIPTIONS[policy]}"),
        *license_rows(b),
        ("precision", f"{b.precision} by default; int8: {b.int8}"),
        ("fits a CPU", {True: "yes", False: "no", None: UNKNOWN}[b.fits_cpu]),
        ("classifier", _classifier_status(b)),
        *_difference_rows(b),
    ]


def _accuracy_rows(b: Backbone) -> list[tuple[str, str]]:
    """Return a row on ImageNet accuracy for image backbones; none for text encoders."""
    text = format_or_unknown(b.top1, "{:.1f} % top-1 on ImageNet, as published")
    return [("accuracy", text)] if isinstance(b.takes, ImageSpec) else []


def _other_files_note(b: Backbone) -> str:
    others = len(catalog_hashes(b)) - 1
    return f" and {others} more {'file' if others == 1 else 'files'}" if others else ""


def _difference_rows(b: Backbone) -> list[tuple[str, str]]:
    plain = {True: " (in plain text too)", False: ""}
    lines = [f"{d.kind}: {d.ours}; {b.library}: {d.keras_hub}{plain[d.plain]}" for d in b.differences]
    return [("tokens differ" if at == 0 else "", line) for at, line in enumerate(lines)]


def _classifier_status(b: Backbone) -> str:
    """Return whether `zoo publish` can publish a backbone."""
    if not (is_publishable := can_publish(b)):
        return "none of its own" if is_publishable is False else f"unknown until tried; run: zoo publish {b.name}"
    trunk = find_pretrained_classifier(b).trunk
    trunk_note = "" if trunk == b else f", on its own trunk: {trunk.name}, {trunk.width} features"
    return f"ImageNet's 1,000 classes; run: zoo publish {b.name}{trunk_note}"
