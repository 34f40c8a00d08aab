"""The findings as sections of a page, with the samples beside them; every name that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from finetune.dataset import Kind
from finetune.doctor.findings import Findings, Group, Suspect
from finetune.doctor.overview import overview
from finetune.report.mistakes import shown
from finetune.tasks import Task

SUSPECTS: Final = 12  # that are shown
GROUPS: Final = 6  # of a kind
MEMBERS: Final = 4  # of a group


def section(found: Findings, *, own: bool) -> str:
    """Return the sections of what was found; `own`: the user's samples may stand in them."""
    rows = "".join(
        f"<tr><td>{one.what}</td><td class=number>{one.shown}</td><td>{escape(one.told)}</td></tr>"
        for one in overview(found)
    )
    notes = [f"Cannot be trained on: {found.blocked}"] if found.blocked else []
    notes += [
        f"The features cannot tell {a!r} and {b!r} apart." for a, b in (one.labels for one in found.twins[:SUSPECTS])
    ]
    notes += [f"{a!r} and {b!r} look like two spellings of one." for a, b in found.alike[:SUSPECTS]]
    notes += [f"Not looked at: {one}" for one in found.omitted]
    told = "".join(f"<p class=soft>{escape(note)}</p>" for note in notes)
    table = f"<table class=wide><tr><th>finding</th><th class=number>count</th><th></th></tr>{rows}</table>"
    head = f"<section><h2>What is wrong with the data</h2>{table}{told}</section>"
    return head + (_samples(found) if own else "")


def _samples(found: Findings) -> str:
    near = [group for group in found.near if group not in found.leaks]
    return (
        _suspects(found)
        + _groups(found, "Contradictions", "The same content under different labels.", found.contradictions)
        + _groups(found, "Leaks", "The same in more than one part of the data's own split.", found.leaks)
        + _groups(found, "Near duplicates", "Nearly the same content, in one part.", near)
    )


def _suspects(found: Findings) -> str:
    suspects = found.suspects.found if found.suspects else ()
    figures = "".join(_figure(found, one.row, _said(found, one)) for one in suspects[:SUSPECTS])
    if not figures:
        return ""
    told = f"{len(suspects):,} labels look wrong to heads that have not seen their samples"
    told += f"; these {SUSPECTS} the most" if len(suspects) > SUSPECTS else ""
    return f"""<section><h2>Likely label errors</h2><p class=soft>{told}.</p>
<div class="{_kind(found)}">{figures}</div></section>"""


def _said(found: Findings, one: Suspect) -> str:
    off = f"{-one.score:.1f} deviations off" if found.task is Task.REGRESS else ""
    is_, like = (off, "") if off else (f"{one.given:.0%}", f" ({one.other:.0%})")
    return f"is <b>{escape(one.label)}</b> ({is_})<br>looks like <span class=said>{escape(one.suggested)}</span>{like}"


def _groups(found: Findings, title: str, told: str, groups: Sequence[Group]) -> str:
    made = "".join(_group(found, group) for group in groups[:GROUPS])
    if not made:
        return ""
    more = f" {GROUPS} of {len(groups):,} groups are shown." if len(groups) > GROUPS else ""
    return f"<section><h2>{title}</h2><p class=soft>{told}{more}</p>{made}</section>"


def _group(found: Findings, group: Group) -> str:
    # One of each part and label first: that is what makes a group a finding.
    first = {(found.samples[row].part, found.samples[row].label): row for row in reversed(group.rows)}
    rows = [*sorted(first.values()), *(row for row in group.rows if row not in first.values())][:MEMBERS]
    figures = "".join(_figure(found, row, f"<b>{escape(_place(found, row))}</b>") for row in rows)
    more = f"<p class=soft>and {len(group.rows) - len(rows):,} more</p>" if len(group.rows) > len(rows) else ""
    return f'<div class="{_kind(found)}">{figures}</div>{more}' if figures else ""


def _place(found: Findings, row: int) -> str:
    sample = found.samples[row]
    return ", ".join(filter(None, (sample.label, sample.part)))


def _figure(found: Findings, row: int, caption: str) -> str:
    """Return one sample with what is said of it; nothing where it can no longer be read."""
    sample = found.samples[row]
    seen = shown(sample, texts=None if found.kind is Kind.IMAGE else found.texts)
    below = f"{caption}<br><span class=soft>{escape(sample.ref)}</span>"
    return f"<figure>{seen}<figcaption>{below}</figcaption></figure>" if seen else ""


def _kind(found: Findings) -> str:
    return "mistakes" if found.kind is Kind.IMAGE else "mistakes texts"
