"""Write docs/zoo.md: every entry of the catalog, and what became of it when it was tried.

python docs/make_zoo.py

The verdicts are those of `python -m tests.zoo.contract`, in docs/verdicts.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.catalog.backbone import Backbone, ImageSpec, unsupported_reason
from zoo.catalog.find import all_backbones

PAGE = Path(__file__).parent / "zoo.md"
VERDICTS = Path(__file__).parent / "verdicts.json"
HEAD = (
    *("backbone", "input", "width", "parameters", "top-1", "licence"),
    *("verdict", "network", "weights", "off at 1", "off at 7", "int8", "same bytes"),
)
ABOUT = """\
# The zoo: test results of every entry

Made by `python docs/make_zoo.py`; do not edit by hand.

Every entry is built by Keras, converted to ONNX, cached and loaded again, as `zoo pull` does it (`python -m
tests.zoo.contract NAME`, in a checkout). It passes if its width, parameters and input are those of the catalog, if
ONNX Runtime repeats Keras on 14 images, or on texts of up to 512 tokens, at batch 1 and 7 within 1e-4 of the largest
feature, if a preset's features are those of its library with its own preprocessing, and if two samples have different
features. **off** is the largest difference between ONNX Runtime and Keras, relative to the largest feature. **Same
bytes**: two builds of the same weights gave the same file; only small ones are built twice. Pixel scaling is tested
separately for all of keras.applications.

**Weights** are the published ones where they could be fetched, else random ones, in a file written by the library
itself: random weights prove the way from file to trunk, and nothing about accuracy. So **int8** is unproven with
them; with published weights it is the mean cosine of centred int8 and fp32 features.

**Network**: `whole` has all layers of the published one; `short` has layers of its size, but two of each stage, as
the whole would take too long; `class` is a small network of the same class of KerasHub or KerasCV, where only the
preset defines the published layers. Entries with equal networks were tested once. `refused`: no trunk can be made of
it, as `zoo show` and every command say before they download anything; the reasons are below.

Nothing here was run on a GPU.
"""


def text() -> str:
    """Return the page."""
    verdicts: dict[str, Any] = json.loads(VERDICTS.read_bytes())
    images = [b for b in all_backbones() if isinstance(b.takes, ImageSpec)]
    texts = [b for b in all_backbones() if not isinstance(b.takes, ImageSpec)]
    parts = [ABOUT, *_section("Images", images, verdicts), *_section("Texts", texts, verdicts)]
    return "\n".join([*parts, *_reasons(verdicts)])


def _section(title: str, backbones: Sequence[Backbone], verdicts: Mapping[str, Any]) -> list[str]:
    outcomes = [_outcome(b, verdicts) for b in backbones]
    counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in dict.fromkeys(sorted(outcomes)))
    libraries = sorted({b.library for b in backbones})
    sources = ", ".join(f"{sum(b.library == name for b in backbones)} of {name}" for name in libraries)
    return [
        f"## {title}",
        "",
        f"{len(backbones)} entries: {sources}. Verdicts: {counts}.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|{' --- |' * len(HEAD)}",
        *(f"| {' | '.join(_row(b, verdicts))} |" for b in backbones),
        "",
    ]


def _outcome(b: Backbone, verdicts: Mapping[str, Any]) -> str:
    if unsupported_reason(b):
        return "refused"
    found = _found(b, verdicts)
    return str(found["outcome"]) if found else "not tried"


def _found(b: Backbone, verdicts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the verdict of an entry, or of the one that was tried for it; nothing where there is none."""
    found: Mapping[str, Any] = verdicts.get(b.name, {})
    return verdicts[found["like"]] if "like" in found else found


def _row(b: Backbone, verdicts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of one entry; a dash is what is unknown, or does not apply."""
    found = _found(b, verdicts)
    parity = found.get("parity", {})
    int8 = "unproven" if found.get("int8") is None else f"{found['int8']:.4f}"
    return (
        f"`{b.name}`",
        str(b.takes.size or "-") if isinstance(b.takes, ImageSpec) else f"{b.takes.max_tokens} tokens",
        str(b.width or "-"),
        f"{b.params:,}" if b.params else "-",
        f"{b.top1:.1f} %" if b.top1 else "-",
        b.license or "-",
        _outcome(b, verdicts),
        found.get("network", "-"),
        found.get("weights", "-"),
        *(f"{parity[batch]:.0e}" if batch in parity else "-" for batch in ("1", "7")),
        int8 if parity else "-",
        "yes" if found.get("same_bytes") else "-",
    )


def _reasons(verdicts: Mapping[str, Any]) -> Iterator[str]:
    """Return why no trunk can be made of some, and why others failed."""
    refused = {b.name: reason for b in all_backbones() if (reason := unsupported_reason(b))}
    failed = {name: " ".join(found["why"].split()) for name, found in sorted(verdicts.items()) if "why" in found}
    for title, reasons in (("Why some are refused", refused), ("Why some failed", failed)):
        if reasons:
            yield from (f"## {title}", "", *(f"- `{name}`: {why}" for name, why in reasons.items()), "")


if __name__ == "__main__":
    PAGE.write_text(text())
