"""The sections of the report as HTML; every name that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from finetune.features import Bad
from finetune.report.pictures import Mistake, thumbnail
from zoo.manifest import Manifest

TABLE: Final = 30  # classes up to which the whole confusion matrix is drawn
PAIRS: Final = 20  # confusions that are listed beyond that
SKIPPED: Final = 50  # skipped files that are named


def figure(what: str, value: str, note: str) -> str:
    """Return one headline figure."""
    return f"<section><span class=soft>{what}</span><b>{value}</b><span class=soft>{note}</span></section>"


def confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Return the confusion matrix, int [k,k], as a heat table; of many classes only the commonest confusions."""
    if len(labels) > TABLE:
        return _pairs(matrix, labels)
    head = "".join(f"<th scope=col title='{escape(label)}'>{escape(label)}</th>" for label in labels)
    rows = "".join(
        f"<tr><th scope=row title='{escape(label)}'>{escape(label)}</th>"
        + "".join(_cell(count, max(1, sum(row)), right=at == column) for column, count in enumerate(row))
        + "</tr>"
        for at, (label, row) in enumerate(zip(labels, matrix, strict=True))
    )
    return f"""<section><h2>Confusion matrix</h2>
<p class=soft>A row for what it is, a column for what was said. Shade: share of the row.</p>
<table class=heat><thead><tr><td style="background:none"></td>{head}</tr></thead>
<tbody>{rows}</tbody></table></section>"""


def _cell(count: int, total: int, *, right: bool) -> str:
    share = count / total
    kind = "right" if right else "wrong"
    # A single mistake must be seen, so shades begin at a quarter.
    shade = 0.25 + 0.75 * share if count else 0.0
    weight = " strong" if shade > 0.6 else "" if count else " none"
    return f'<td class="{kind}{weight}" style="--v:{shade:.2f}">{count}</td>'


def _pairs(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    pairs = sorted(
        ((count, truth, said) for truth, row in enumerate(matrix) for said, count in enumerate(row) if truth != said),
        reverse=True,
    )[:PAIRS]
    rows = "".join(
        f"<tr><td>{escape(labels[truth])}</td><td>{escape(labels[said])}</td><td class=number>{count}</td></tr>"
        for count, truth, said in pairs
        if count
    )
    return f"""<section><h2>Commonest confusions</h2>
<table class=wide><tr><th>it is</th><th>it said</th><th class=number>times</th></tr>{rows}</table></section>"""


def reliability(curve: Sequence[Mapping[str, Any]]) -> str:
    """Return the reliability curve as a drawing: accuracy over confidence, dots as large as their bins are full."""
    left, top, side = 40, 10, 280
    most = max(b["count"] for b in curve)

    def place(confidence: float, accuracy: float) -> str:
        return f"{left + side * confidence:.1f},{top + side * (1 - accuracy):.1f}"

    points = [place(b["confidence"], b["accuracy"]) for b in curve]
    dots = "".join(
        f"<circle cx='{x}' cy='{y}' r='{3 + 6 * (b['count'] / most) ** 0.5:.1f}' fill='var(--good)' fill-opacity='.75'>"
        f"<title>{b['count']} samples: said {b['confidence']:.1%}, right {b['accuracy']:.1%}</title></circle>"
        for b, (x, y) in zip(curve, (point.split(",") for point in points), strict=True)
    )
    ticks = "".join(
        f"<path d='M{place(0, t)} L{place(1, t)}' stroke='var(--line)'/>"
        f"<text x='{left - 6}' y='{top + side * (1 - t) + 4}' text-anchor='end'>{t:.0%}</text>"
        f"<text x='{left + side * t}' y='{top + side + 16}' text-anchor='middle'>{t:.0%}</text>"
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    return f"""<section><h2>Reliability</h2>
<p class=soft>How often it was right, over how sure it said it was. On the dashed line both agree.</p>
<svg viewBox="0 0 340 325" role=img aria-label="Accuracy over confidence">{ticks}
<path d="M{place(0, 0)} L{place(1, 1)}" stroke="var(--soft)" stroke-dasharray="4 4" fill="none"/>
<polyline points="{" ".join(points)}" fill="none" stroke="var(--good)" stroke-width="2"/>{dots}
<text x="{left + side / 2}" y="{top + side + 33}" text-anchor="middle">said probability</text></svg></section>"""


def per_class(classes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of the classes, the weakest first."""
    ranked = sorted(classes.items(), key=lambda item: (item[1]["f1"] is None, item[1]["f1"] or 0.0, item[0]))
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td class=number>{_percent(m['precision'])}</td>"
        f"<td class=number>{_percent(m['recall'])}</td><td class=number>{_percent(m['f1'])}</td>"
        f"<td><span class=bar><i style='width:{100 * (m['f1'] or 0):.0f}%'></i></span></td>"
        f"<td class=number>{m['support']:,}</td></tr>"
        for label, m in ranked
    )
    return f"""<section><h2>Classes, the weakest first</h2><table class=wide><tr><th>class</th>
<th class=number>precision</th><th class=number>recall</th><th class=number>F1</th><th></th>
<th class=number>test samples</th></tr>{rows}</table></section>"""


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def mistakes(worst: Sequence[Mistake], total: int) -> str:
    """Return the worst mistakes as pictures."""
    shown = "".join(
        f"<figure><img{' class=small' if picture.small else ''} src='{picture.address}' alt=''>"
        f"<figcaption>said <span class=said>{escape(mistake.said)}</span> ({mistake.sure:.0%})<br>"
        f"is <b>{escape(mistake.sample.label)}</b> ({mistake.truth:.0%})"
        f"<br><span class=soft>{escape(mistake.sample.ref)}</span></figcaption></figure>"
        for mistake in worst
        if (picture := thumbnail(mistake.sample))
    )
    told = f"{total:,} of the test samples got a wrong answer" if total else "No test sample got a wrong answer"
    few = f"; these {len(worst)} were said with the most certainty" if total > len(worst) else ""
    return f"""<section><h2>Worst mistakes</h2><p class=soft>{told}{few}. These are your own pictures:
mind who gets this file.</p><div class=mistakes>{shown}</div></section>"""


def no_mistakes() -> str:
    """Return what stands there instead where the user's pictures are kept out."""
    return """<section><h2>Worst mistakes</h2>
<p class=soft>No pictures here: the model was made with --no-samples.</p></section>"""


def facts(manifest: Manifest, bad: Sequence[Bad]) -> str:
    """Return what was trained on what, and how to serve it."""
    data, head, counts = manifest.data, manifest.head, manifest.data["counts"]
    told = {
        "Data": data["source"],
        "Samples": f"{counts['train']:,} to train on, {counts['val']:,} to choose by, {counts['test']:,} to measure",
        "Split": f"{data['split']}, seed {data['seed']}",
        "Skipped": f"{data['skipped']:,} files that could not be used",
        "Backbone": f"{manifest.backbone['name']}, licence of the weights: {manifest.backbone['license']}",
        "Restrictions": manifest.backbone["restricts"] or "none told",
        "Trunk": f"{manifest.precision}, SHA-256 {manifest.trunk_sha256}",
        "Head": f"logistic regression, C = {head['strength']:g}, temperature {head['temperature']:.2f}",
        "Input": f"{manifest.input['size']} × {manifest.input['size']} pixels, {manifest.input['geometry']}, "
        f"{manifest.input['interpolation']}",
        "Made by": f"Graft {manifest.graft}",
    }
    rows = "".join(f"<dt>{what}</dt><dd>{escape(str(value))}</dd>" for what, value in told.items())
    skipped = "".join(f"<li>{escape(one.ref)}: {escape(one.reason)}</li>" for one in bad[:SKIPPED])
    listed = f"<p class=soft>Skipped:</p><ul class=soft>{skipped}</ul>" if skipped else ""
    return f"""<section><h2>What was trained on what</h2><dl>{rows}</dl>{listed}</section>
<section><h2>To serve it</h2><pre>serve --models models
predict {escape(manifest.name)} picture.jpg
curl --data-binary @picture.jpg http://127.0.0.1:8000/v1/models/{escape(manifest.name)}:predict</pre></section>"""
