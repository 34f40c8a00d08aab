"""How training went, epoch by epoch, where more than the head was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

Point = tuple[float, float]  # x, y

LEFT, TOP, WIDTH, HEIGHT = 56, 14, 300, 190
RUN_FACTS: Final = (
    "cut",
    "epochs",
    "best_epoch",
    "stopped_by",
    "batch",
    "rate",
    "layer_decay",
    "smoothing",
    "views",
    "rank",
)


def render_training(depth: str, facts: Mapping[str, Any]) -> str:
    """Return the section on a deeper run: losses and the validation score over epochs, and what was chosen."""
    history: Sequence[Mapping[str, float]] = facts.get("history", ())
    if not history:
        return ""
    losses = [
        ("train", "--soft", [e["loss"] for e in history]),
        ("validation", "--good", [e["val_loss"] for e in history]),
    ]
    scores = [("validation", "--good", [e["val_score"] for e in history])]
    run_facts = ", ".join(
        f"{name.replace('_', ' ')} {_format_value(facts[name])}"
        for name in RUN_FACTS
        if facts.get(name) not in (None, "")
    )
    best = int(facts.get("best_epoch", 0))
    lead = f"The weights are those of epoch {best}." if best else "No epoch was better than the start, which was kept."
    return f"""<section><h2>Training, to the depth {escape(depth)}</h2>
<p class=soft>{lead} The train part is augmented and its labels are smoothed, so its loss is the higher one.</p>
<div class=pair>{_draw_curves("Loss", losses, best)}{_draw_curves("Score", scores, best)}</div>
<p class=soft>{escape(run_facts)}</p></section>"""


def _format_value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _draw_curves(what: str, lines: Sequence[tuple[str, str, Sequence[float]]], best: int) -> str:
    count = len(lines[0][2])
    values = [value for _, _, line in lines for value in line]
    low, high = min(values), max(values)

    def place(at: int, value: float) -> tuple[float, float]:
        across = LEFT + WIDTH * (at / (count - 1) if count > 1 else 0.5)
        return across, TOP + HEIGHT * (1 - (value - low) / ((high - low) or 1.0))

    point_lines = [(colour, [place(at, value) for at, value in enumerate(line)]) for _, colour, line in lines]
    lines_svg = "".join(_draw_line(colour, points) for colour, points in point_lines)
    # Not beside the lines: names that lie on curves cannot be read.
    names = ", ".join(f"<tspan fill='var({colour})'>{name}</tspan>" for name, colour, _ in lines)
    ticks = "".join(
        f"<path d='M{LEFT} {y:.1f} h{WIDTH}' stroke='var(--line)'/>"
        f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{low + share * (high - low):.3g}</text>"
        for share in (0, 0.5, 1)
        for y in (TOP + HEIGHT * (1 - share),)
    )
    mark = place(best - 1, low)[0] if best else LEFT
    bottom = TOP + HEIGHT
    best_mark = f"<path d='M{mark:.1f} {TOP} V{bottom}' stroke='var(--soft)' stroke-dasharray='4 4'/>" if best else ""
    return f"""<svg viewBox="0 0 370 250" role=img aria-label="{what} over epochs">{ticks}{best_mark}{lines_svg}
<text x="{LEFT}" y="{bottom + 16}" text-anchor="middle">1</text>
<text x="{LEFT + WIDTH}" y="{bottom + 16}" text-anchor="middle">{count}</text>
<text x="{LEFT + WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">{what}, over epochs: {names}</text></svg>"""


def _draw_line(colour: str, points: Sequence[Point]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='var({colour})'/>" for x, y in points)
    return f"<polyline points='{path}' fill='none' stroke='var({colour})' stroke-width='2'/>{dots}"
