"""The sections of the report as HTML; every name that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from finetune.data.dataset import SkippedSample
from finetune.data.task import Task
from finetune.report.worst_samples import Mistake, render_sample
from graft.bundle.manifest import Manifest

MAX_SKIPPED_SAMPLES: Final = 50  # skipped files that are named


def render_metric_card(name: str, value: str, note: str) -> str:
    """Return one headline figure."""
    return f"<section><span class=soft>{name}</span><b>{value}</b><span class=soft>{note}</span></section>"


def render_class_table(classes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of the classes, the weakest first."""
    ranked = sorted(classes.items(), key=lambda item: (item[1]["f1"] is None, item[1]["f1"] or 0.0, item[0]))
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td class=number>{_format_percent(m['precision'])}</td>"
        f"<td class=number>{_format_percent(m['recall'])}</td><td class=number>{_format_percent(m['f1'])}</td>"
        f"<td><span class=bar><i style='width:{100 * (m['f1'] or 0):.0f}%'></i></span></td>"
        f"<td class=number>{m['support']:,}</td></tr>"
        for label, m in ranked
    )
    return f"""<section><h2>Classes, the weakest first</h2><table class=wide><tr><th>class</th>
<th class=number>precision</th><th class=number>recall</th><th class=number>F1</th><th></th>
<th class=number>test samples</th></tr>{rows}</table></section>"""


def _format_percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def render_tag_table(tags: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of the tags, the weakest first."""
    ranked = sorted(tags.items(), key=lambda item: (item[1]["f1"] is None, item[1]["f1"] or 0.0, item[0]))
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td class=number>{_format_percent(m['precision'])}</td>"
        f"<td class=number>{_format_percent(m['recall'])}</td><td class=number>{_format_percent(m['f1'])}</td>"
        f"<td><span class=bar><i style='width:{100 * (m['f1'] or 0):.0f}%'></i></span></td>"
        f"<td class=number>{_format_percent(m['average_precision'])}</td><td class=number>{m['threshold']:.2f}</td>"
        f"<td class=number>{m['support']:,}</td></tr>"
        for label, m in ranked
    )
    return f"""<section><h2>Tags, the weakest first</h2><table class=wide><tr><th>tag</th>
<th class=number>precision</th><th class=number>recall</th><th class=number>F1</th><th></th>
<th class=number>average precision</th><th class=number>threshold</th>
<th class=number>test samples</th></tr>{rows}</table></section>"""


def render_mistakes(manifest: Manifest, mistakes: Sequence[Mistake], total: int) -> str:
    """Return the worst mistakes, each with its picture or its text; `total` are all of them."""
    texts = manifest.input.get("texts")
    figures = "".join(
        f"<figure>{sample}"
        f"<figcaption>said <span class=said>{escape(mistake.prediction)}</span><br>"
        f"is <b>{escape(mistake.truth)}</b>"
        f"<br><span class=soft>{escape(mistake.sample.ref)}</span></figcaption></figure>"
        for mistake in mistakes
        if (sample := render_sample(mistake.sample, texts=texts))
    )
    if manifest.task == Task.REGRESS:
        lead = f"These {len(mistakes)} of {total:,} test samples were the furthest off"
    else:
        lead = f"{total:,} of the test samples got a wrong answer" if total else "No test sample got a wrong answer"
        lead += f"; these {len(mistakes)} were the worst" if total > len(mistakes) else ""
    what = "texts" if texts else "pictures"
    kind = "mistakes texts" if texts else "mistakes"
    return f"""<section><h2>Worst mistakes</h2><p class=soft>{lead}. These are your own {what}:
mind who gets this file.</p><div class="{kind}">{figures}</div></section>"""


def render_no_mistakes() -> str:
    """Return what stands there instead where the user's pictures are kept out."""
    return """<section><h2>Worst mistakes</h2>
<p class=soft>No samples here: the model was made with --no-samples.</p></section>"""


def render_model_facts(manifest: Manifest, skipped_samples: Sequence[SkippedSample]) -> str:
    """Return what was trained on what, and how to serve it."""
    data, counts = manifest.data, manifest.data["counts"]
    model_facts = {
        "Data": data["source"],
        "Samples": f"{counts['train']:,} to train on, {counts['val']:,} to choose by, {counts['test']:,} to measure",
        "Split": f"{data['split']}, seed {data['seed']}",
        "Skipped": f"{data['skipped']:,} samples that could not be used",
        "Backbone": f"{manifest.backbone['name']}, licence of the weights: {manifest.backbone['license']}",
        "Restrictions": manifest.backbone["restricts"] or "none told",
        "Trunk": f"{manifest.precision}, SHA-256 {manifest.trunk_sha256}",
        "Head": _describe_head(manifest),
        "Input": _describe_input(manifest),
        "Made by": f"Graft {manifest.graft}",
    }
    if manifest.task == Task.EMBED:  # nothing was split
        model_facts = {what: value for what, value in model_facts.items() if what not in ("Samples", "Split")}
    rows = "".join(f"<dt>{what}</dt><dd>{escape(str(value))}</dd>" for what, value in model_facts.items())
    skipped = "".join(
        f"<li>{escape(one.ref)}: {escape(one.reason)}</li>" for one in skipped_samples[:MAX_SKIPPED_SAMPLES]
    )
    skipped_html = f"<p class=soft>Skipped:</p><ul class=soft>{skipped}</ul>" if skipped else ""
    return f"""<section><h2>What was trained on what</h2><dl>{rows}</dl>{skipped_html}</section>
<section><h2>To serve it</h2><pre>{_serve_commands(manifest)}</pre></section>"""


def _describe_head(manifest: Manifest) -> str:
    head = manifest.head
    match manifest.task:
        case Task.EMBED:
            return "none"
        case Task.REGRESS:
            return f"ridge regression, penalty {head['penalty']:g}"
        case _:
            return f"{head['kind']} regression, C = {head['strength']:g}, temperature {head['temperature']:.2f}"


def _describe_input(manifest: Manifest) -> str:
    spec = manifest.input
    if spec["kind"] == "text":
        what = "pairs of texts" if spec["texts"] == 2 else "texts"
        return f"{what}, the first {spec['max_tokens']} tokens; tokenizer.json {spec['tokenizer_sha256']}"
    return f"{spec['size']} × {spec['size']} pixels, {spec['geometry']}, {spec['interpolation']}"


def _serve_commands(manifest: Manifest) -> str:
    verb = "embed" if manifest.task == Task.EMBED else "predict"
    address = f"http://127.0.0.1:8000/v1/models/{manifest.name}:{verb}"
    file, curl_command = {
        None: ("picture.jpg", f"curl --data-binary @picture.jpg {address}"),
        1: ('"a text"', f"curl -H 'Content-Type: text/plain' --data-binary 'a text' {address}"),
        2: (
            '"a text" "another"',
            f"""curl -H 'Content-Type: application/json' -d '{{"instances": [["a text", "another"]]}}' {address}""",
        ),
    }[manifest.input.get("texts")]
    predict_command = "" if verb == "embed" else f"predict {manifest.name} {file}\n"
    return escape(f"serve --models models\n{predict_command}{curl_command}", quote=False)
