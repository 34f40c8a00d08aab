"""A bar chart as SVG: readable on light and on dark ground, no script, no font of its own."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

WIDE, LEFT, ROW, BAR, TOP = 760, 230, 26, 16, 64
ROOM = WIDE - LEFT - 120  # for the longest bar
STYLE = (
    "text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}"
    ".small{font-size:11px;fill:#59636e}.title{font-size:15px;font-weight:600}"
    ".ours{fill:#0969da}.peer{fill:#8c959f}.limit{stroke:#cf222e;stroke-width:1.5;stroke-dasharray:4 3}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}"
    ".ours{fill:#4493f8}.peer{fill:#6e7681}.limit{stroke:#ff7b72}}"
)


def chart(bars: Mapping[str, tuple[float, float]], subtitle: str) -> str:
    """Draw {name: (requests a second, ratio to the bare loop)}; a bar is as long as its ratio.

    Ratios, because each was measured beside the loop; the requests a second stand beside it.
    """
    high = TOP + ROW * len(bars) + 30
    longest = max(1.0, *(ratio for _, ratio in bars.values()))
    limit = LEFT + ROOM / longest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{high}" viewBox="0 0 {WIDE} {high}">',
        "<title>Requests a second over HTTP, JPEG to labels</title>",
        f"<style>{STYLE}</style>",
        text(8, 22, "JPEG to labels over HTTP, 8 connections: requests a second", "title"),
        text(8, 42, subtitle, "small"),
    ]
    for number, (name, (rate, ratio)) in enumerate(bars.items()):
        y = TOP + ROW * number
        wide = max(1.0, ROOM * ratio / longest)
        kind = "ours" if name.startswith("Graft") else "peer"
        parts += [
            text(LEFT - 10, y + 13, name, anchor="end"),
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{wide:.1f}" height="{BAR}" rx="2"/>',
            text(WIDE - 10, y + 13, f"{rate:.0f}/s  {ratio:.2f} ×", anchor="end"),
        ]
    foot = TOP + ROW * len(bars)
    parts += [
        f'<line class="limit" x1="{limit:.1f}" x2="{limit:.1f}" y1="{TOP - 6}" y2="{foot}"/>',
        text(limit, foot + 16, "1 × = the bare loop, fp32: decode, trunk and head on all cores", "small", "middle"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return one line of text."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
