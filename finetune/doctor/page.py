"""--html: the findings as a page of their own."""

from __future__ import annotations

from html import escape
from pathlib import Path

from finetune.doctor.findings import Findings
from finetune.doctor.section import render_findings
from finetune.report.page import html_document
from zoo.errors import DatasetError
from zoo.files import write_atomic


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
