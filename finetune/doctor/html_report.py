"""The findings as sections of a page, with the samples beside them; every name that comes from outside is escaped.

--html: the findings as a page of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from finetune.data.dataset import DataKind
from finetune.data.task import Task
from finetune.doctor.findings import DuplicateGroup, Findings, SuspectLabel
from finetune.doctor.summary import summarize_findings
from finetune.report.page import html_document
from finetune.report.worst_samples import render_sample
from graft.errors import DatasetError
from graft.storage.atomic_file import write_atomic

MAX_SUSPECTS: Final = 12  # that are shown


MAX_GROUPS: Final = 6  # of a kind


MAX_GROUP_MEMBERS: Final = 4  # of a group


def render_findings(findings: Findings, *, own_samples: bool) -> str:
    """Return the sections of what was found; `own_samples`: the user's samples may stand in them."""
    rows = "".join(
        f"<tr><td>{one.name}</td><td class=number>{one.display_count}</td><td>{escape(one.meaning)}</td></tr>"
        for one in summarize_findings(findings)
    )
    notes = [f"Cannot be trained on: {findings.training_error}"] if findings.training_error else []
    notes += [
        f"The features cannot tell {a!r} and {b!r} apart."
        for a, b in (one.labels for one in findings.confusable_classes[:MAX_SUSPECTS])
    ]
    notes += [f"{a!r} and {b!r} look like two spellings of one." for a, b in findings.similar_names[:MAX_SUSPECTS]]
    notes += [f"Not looked at: {one}" for one in findings.skipped_checks]
    notes_html = "".join(f"<p class=soft>{escape(note)}</p>" for note in notes)
    table = f"<table class=wide><tr><th>finding</th><th class=number>count</th><th></th></tr>{rows}</table>"
    head = f"<section><h2>What is wrong with the data</h2>{table}{notes_html}</section>"
    return head + (_render_samples(findings) if own_samples else "")


def _render_samples(findings: Findings) -> str:
    near = [group for group in findings.near_duplicates if group not in findings.leaks]
    return (
        _render_label_errors(findings)
        + _render_groups(
            findings, "Contradictions", "The same content under different labels.", findings.contradictions
        )
        + _render_groups(findings, "Leaks", "The same in more than one part of the data's own split.", findings.leaks)
        + _render_groups(findings, "Near duplicates", "Nearly the same content, in one part.", near)
    )


def _render_label_errors(findings: Findings) -> str:
    suspects = findings.label_errors.suspects if findings.label_errors else ()
    figures = "".join(
        _render_figure(findings, one.row, _suspect_caption(findings, one)) for one in suspects[:MAX_SUSPECTS]
    )
    if not figures:
        return ""
    lead = f"{len(suspects):,} labels look wrong to heads that have not seen their samples"
    lead += f"; these {MAX_SUSPECTS} the most" if len(suspects) > MAX_SUSPECTS else ""
    return f"""<section><h2>Likely label errors</h2><p class=soft>{lead}.</p>
<div class="{_figures_css_class(findings)}">{figures}</div></section>"""


def _suspect_caption(findings: Findings, one: SuspectLabel) -> str:
    off = f"{-one.score:.1f} deviations off" if findings.task is Task.REGRESS else ""
    is_, like = (off, "") if off else (f"{one.label_probability:.0%}", f" ({one.suggested_probability:.0%})")
    return f"is <b>{escape(one.label)}</b> ({is_})<br>looks like <span class=said>{escape(one.suggested_label)}</span>{like}"


def _render_groups(findings: Findings, title: str, lead: str, groups: Sequence[DuplicateGroup]) -> str:
    groups_html = "".join(_render_group(findings, group) for group in groups[:MAX_GROUPS])
    if not groups_html:
        return ""
    more = f" {MAX_GROUPS} of {len(groups):,} groups are shown." if len(groups) > MAX_GROUPS else ""
    return f"<section><h2>{title}</h2><p class=soft>{lead}{more}</p>{groups_html}</section>"


def _render_group(findings: Findings, group: DuplicateGroup) -> str:
    # One of each part and label first: that is what makes a group a finding.
    first = {(findings.samples[row].part, findings.samples[row].label): row for row in reversed(group.rows)}
    rows = [*sorted(first.values()), *(row for row in group.rows if row not in first.values())][:MAX_GROUP_MEMBERS]
    figures = "".join(_render_figure(findings, row, f"<b>{escape(_sample_caption(findings, row))}</b>") for row in rows)
    more = f"<p class=soft>and {len(group.rows) - len(rows):,} more</p>" if len(group.rows) > len(rows) else ""
    return f'<div class="{_figures_css_class(findings)}">{figures}</div>{more}' if figures else ""


def _sample_caption(findings: Findings, row: int) -> str:
    sample = findings.samples[row]
    return ", ".join(filter(None, (sample.label, sample.part)))


def _render_figure(findings: Findings, row: int, caption: str) -> str:
    """Return one sample with what is said of it; nothing where it can no longer be read."""
    sample = findings.samples[row]
    sample_html = render_sample(sample, texts=None if findings.kind is DataKind.IMAGE else findings.texts_per_sample)
    below = f"{caption}<br><span class=soft>{escape(sample.ref)}</span>"
    return f"<figure>{sample_html}<figcaption>{below}</figcaption></figure>" if sample_html else ""


def _figures_css_class(findings: Findings) -> str:
    return "mistakes" if findings.kind is DataKind.IMAGE else "mistakes texts"


def write_html_report(findings: Findings, path: Path, *, own_samples: bool) -> None:
    """Write the page to `path`; `own_samples`: the user's samples may stand in it.

    Raises:
        DatasetError: it cannot be written.
    """
    body = f"""
<h1>{escape(Path(findings.source).name)}: what is in the data</h1>
<p class=soft>{len(findings.samples):,} {findings.kind.plural}, task {findings.task}.
{"Some of your own are shown: mind who gets this file." if own_samples else "None of them is shown."}</p>
{render_findings(findings, own_samples=own_samples)}"""
    try:
        write_atomic(path, html_document(f"{Path(findings.source).name}: check", body))
    except OSError as fault:
        raise DatasetError(f"{path} cannot be written ({fault.strerror}). Choose another place for --html.") from None
