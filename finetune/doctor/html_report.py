"""The findings of `finetune check` as HTML: sections for the report, and the page of --html."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from markupsafe import Markup

from finetune.data.dataset import DataKind, LabeledSample
from finetune.data.task import Task
from finetune.doctor.findings import DuplicateGroup, Findings, summarize_findings
from finetune.report.render_template import render_template
from finetune.report.sample_preview import SamplePreview, preview_sample
from graft.bundle.manifest import SampleKind
from graft.errors import DatasetError
from graft.storage.atomic_file import write_atomic

MAX_SUSPECTS: Final = 12  # suspects, and notes of a kind, that are shown
MAX_GROUPS: Final = 6  # groups of duplicates of a kind that are shown
MAX_GROUP_MEMBERS: Final = 4  # samples of a group that are shown


def render_findings(findings: Findings, *, own_samples: bool) -> Markup:
    """Return the sections on the findings as HTML; `own_samples`: they may show the user's samples."""
    return render_template(
        "findings.html.jinja",
        summaries=summarize_findings(findings),
        notes=_notes(findings),
        figures_class="mistakes" if findings.kind is DataKind.IMAGE else "mistakes texts",
        max_groups=MAX_GROUPS,
        suspects=_suspects_context(findings) if own_samples else None,
        duplicate_kinds=_duplicates_context(findings) if own_samples else (),
    )


def write_html_report(findings: Findings, path: Path, *, own_samples: bool) -> None:
    """Write the page of `finetune check --html` to `path`; `own_samples`: it may show the user's samples.

    Raises:
        DatasetError: the file cannot be written.
    """
    page = render_template(
        "check.html.jinja",
        name=Path(findings.source).name,
        sample_count=len(findings.samples),
        kind=findings.kind,
        task=findings.task,
        own_samples=own_samples,
        findings_html=render_findings(findings, own_samples=own_samples),
    )
    try:
        write_atomic(path, page.encode())
    except OSError as fault:
        raise DatasetError(f"{path} cannot be written ({fault.strerror}). Choose another place for --html.") from None


def _notes(findings: Findings) -> list[str]:
    return [
        *([f"Cannot be trained on: {findings.training_error}"] if findings.training_error else []),
        *(
            f"The features cannot tell {one.labels[0]!r} and {one.labels[1]!r} apart."
            for one in findings.confusable_classes[:MAX_SUSPECTS]
        ),
        *(f"{a!r} and {b!r} look like two spellings of one class." for a, b in findings.similar_names[:MAX_SUSPECTS]),
        *(f"Not checked: {one}" for one in findings.skipped_checks),
    ]


def _suspects_context(findings: Findings) -> dict[str, object]:
    """Return the likeliest label errors, with previews of those samples that can still be read."""
    suspects = findings.label_errors.suspects if findings.label_errors else ()
    previews = [
        (one, sample, preview)
        for one in suspects[:MAX_SUSPECTS]
        for sample, preview in _preview_samples(findings, [one.row])
    ]
    return {
        "total": len(suspects),
        "max_shown": MAX_SUSPECTS,
        "are_numbers": findings.task is Task.REGRESS,
        "previews": previews,
    }


def _duplicates_context(findings: Findings) -> list[dict[str, object]]:
    """Return the kinds of duplicates, each with the groups that can be shown; kinds without any are left out."""
    near = [group for group in findings.near_duplicates if group not in findings.leaks]
    kinds: tuple[tuple[str, str, Sequence[DuplicateGroup]], ...] = (
        ("Contradictions", "The same content under different labels.", findings.contradictions),
        ("Leaks", "The same in more than one part of the data's own split.", findings.leaks),
        ("Near duplicates", "Nearly the same content, in one part.", near),
    )
    contexts = (
        {"title": title, "lead": lead, "total": len(groups), "groups": _groups_context(findings, groups)}
        for title, lead, groups in kinds
    )
    return [context for context in contexts if context["groups"]]


def _groups_context(findings: Findings, groups: Sequence[DuplicateGroup]) -> list[dict[str, object]]:
    contexts = []
    for group in groups[:MAX_GROUPS]:
        rows = _representative_rows(findings, group)
        previews = _preview_samples(findings, rows)
        if previews:
            contexts.append({"previews": previews, "more": len(group.rows) - len(rows)})
    return contexts


def _representative_rows(findings: Findings, group: DuplicateGroup) -> list[int]:
    """Return the rows of a group that are shown: first one of each part and label, which make it a finding."""
    first = {(findings.samples[row].part, findings.samples[row].label): row for row in reversed(group.rows)}
    return [*sorted(first.values()), *(row for row in group.rows if row not in first.values())][:MAX_GROUP_MEMBERS]


def _preview_samples(findings: Findings, rows: Iterable[int]) -> list[tuple[LabeledSample, SamplePreview]]:
    """Return those samples that can still be read, with their previews."""
    kind: SampleKind = (
        "image" if findings.kind is DataKind.IMAGE else "pair" if findings.texts_per_sample == 2 else "text"
    )
    samples = [findings.samples[row] for row in rows]
    previews = ((sample, preview_sample(sample, kind)) for sample in samples)
    return [(sample, preview) for sample, preview in previews if preview]
