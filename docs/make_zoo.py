"""Write docs/zoo.md: every entry of the catalog, and what became of it when it was tried.

python docs/make_zoo.py

The verdicts are those of `python -m zoo.build.contract`, in docs/zoo/verdicts.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.backbone import Backbone, Pixels, catalog

PAGE = Path(__file__).parent / "zoo.md"
VERDICTS = Path(__file__).parent / "zoo" / "verdicts.json"
HEAD = (
    *("backbone", "input", "width", "parameters", "top-1", "licence"),
    *("verdict", "weights", "off at 1", "off at 7", "same bytes"),
)
ABOUT = """\
# The zoo, tried

Made by `python docs/make_zoo.py`; do not edit by hand.

Every image backbone is built by Keras, converted to ONNX, cached and loaded again, as `zoo pull` does it
(`python -m zoo.build.contract NAME`). It passes if its width, parameters and input are what the catalog says, if
ONNX Runtime repeats Keras on 14 pictures at batch 1 and 7 within 1e-4 of the largest feature, and if its
features tell two pictures apart. **off** is how far it was off, as a part of the largest feature. **Same
bytes**: two builds of the same weights gave the same file; only small ones are built twice. That pixels are
scaled as the library scales them is tested besides, for all of keras.applications.

**Weights** are the published ones where they could be had, else random ones: these prove the graph, and nothing
about what the network knows. So int8 stays unproven with them.
"""


def text() -> str:
    """Return the page."""
    verdicts: dict[str, Any] = json.loads(VERDICTS.read_bytes())
    images = [b for b in catalog() if isinstance(b.takes, Pixels)]
    texts = [b for b in catalog() if not isinstance(b.takes, Pixels)]
    parts = [ABOUT, *_section("Images", images, verdicts), *_section("Texts", texts, verdicts)]
    return "\n".join([*parts, *_reasons(verdicts)])


def _section(title: str, backbones: Sequence[Backbone], verdicts: Mapping[str, Any]) -> list[str]:
    tried = [verdicts[b.name] for b in backbones if b.name in verdicts]
    passed = sum(found["outcome"] == "passes" for found in tried)
    libraries = sorted({b.library for b in backbones})
    counts = ", ".join(f"{sum(b.library == name for b in backbones)} of {name}" for name in libraries)
    return [
        f"## {title}",
        "",
        f"{len(backbones)} entries: {counts}. Tried: {len(tried)}; passed: {passed}.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|{' --- |' * len(HEAD)}",
        *(f"| {' | '.join(_row(b, verdicts.get(b.name)))} |" for b in backbones),
        "",
    ]


def _row(b: Backbone, found: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the cells of one entry; a dash is what is unknown, or does not apply."""
    said = (
        f"`{b.name}`",
        str(b.takes.size or "-") if isinstance(b.takes, Pixels) else f"{b.takes.max_tokens} tokens",
        str(b.width or "-"),
        f"{b.params:,}" if b.params else "-",
        f"{b.top1:.1f} %" if b.top1 else "-",
        b.license or "-",
    )
    if found is None:
        return (*said, "not tried", "-", "-", "-", "-")
    parity = found.get("parity", {})
    offs = (f"{parity[batch]:.0e}" if batch in parity else "-" for batch in ("1", "7"))
    same = "yes" if found.get("same_bytes") else "-"
    return (*said, found["outcome"], found.get("weights", "-"), *offs, same)


def _reasons(verdicts: Mapping[str, Any]) -> list[str]:
    """Return why those that failed did."""
    failed = {name: " ".join(found["why"].split()) for name, found in sorted(verdicts.items()) if "why" in found}
    return ["## Why some failed", "", *(f"- `{name}`: {why}" for name, why in failed.items()), ""] if failed else []


if __name__ == "__main__":
    PAGE.write_text(text())
