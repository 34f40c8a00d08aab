from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

MAX_MATRIX_CLASSES: Final = 30  # classes up to which the whole confusion matrix is drawn
MAX_CONFUSIONS: Final = 20  # confusions that are listed beyond that


def render_confusion_matrix(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Return the confusion matrix, int [k,k], as a heat table; of many classes only the commonest confusions."""
    if len(labels) > MAX_MATRIX_CLASSES:
        return _render_confusions(matrix, labels)
    head = "".join(f"<th scope=col title='{escape(label)}'>{escape(label)}</th>" for label in labels)
    rows = "".join(
        f"<tr><th scope=row title='{escape(label)}'>{escape(label)}</th>"
        + "".join(_render_cell(count, max(1, sum(row)), right=at == column) for column, count in enumerate(row))
        + "</tr>"
        for at, (label, row) in enumerate(zip(labels, matrix, strict=True))
    )
    return f"""<section><h2>Confusion matrix</h2>
<p class=soft>A row for what it is, a column for what was said. Shade: share of the row.</p>
<table class=heat><thead><tr><td style="background:none"></td>{head}</tr></thead>
<tbody>{rows}</tbody></table></section>"""


def _render_cell(count: int, total: int, *, right: bool) -> str:
    share = count / total
    kind = "right" if right else "wrong"
    # A single mistake must be seen, so shades begin at a quarter.
    shade = 0.25 + 0.75 * share if count else 0.0
    return f'<td class="{kind}{"" if count else " none"}" style="--v:{shade:.2f}">{count}</td>'


def _render_confusions(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    pairs = sorted(
        ((count, truth, said) for truth, row in enumerate(matrix) for said, count in enumerate(row) if truth != said),
        reverse=True,
    )[:MAX_CONFUSIONS]
    rows = "".join(
        f"<tr><td>{escape(labels[truth])}</td><td>{escape(labels[said])}</td><td class=number>{count}</td></tr>"
        for count, truth, said in pairs
        if count
    )
    return f"""<section><h2>Commonest confusions</h2>
<table class=wide><tr><th>it is</th><th>it said</th><th class=number>times</th></tr>{rows}</table></section>"""
