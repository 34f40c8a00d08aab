"""--html: the findings as a page of their own."""

from __future__ import annotations

from html import escape
from pathlib import Path

from finetune.doctor.findings import Findings
from finetune.doctor.section import section
from finetune.report.page import document
from zoo.errors import DatasetError
from zoo.files import write_whole


def publish(found: Findings, path: Path, *, own: bool) -> None:
    """Write the page to `path`; `own`: the user's samples may stand in it.

    Raises:
        DatasetError: it cannot be written.
    """
    body = f"""
<h1>{escape(Path(found.source).name)}: what is in the data</h1>
<p class=soft>{len(found.samples):,} {found.kind.plural}, task {found.task}.
{"Some of your own are shown: mind who gets this file." if own else "None of them is shown."}</p>
{section(found, own=own)}"""
    try:
        write_whole(path, document(f"{Path(found.source).name}: check", body))
    except OSError as fault:
        raise DatasetError(f"{path} cannot be written ({fault.strerror}). Choose another place for --html.") from None
