"""All findings as one object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune.doctor.findings import Findings, Group
from finetune.doctor.overview import overview


def facts(found: Findings) -> dict[str, Any]:
    """Return every finding with the refs of its samples; ready for JSON."""
    suspects = found.suspects
    return {
        "source": found.source,
        "kind": found.kind,
        "task": found.task,
        "samples": len(found.samples),
        "blocked": found.blocked or None,
        "counts": {one.what.replace(" ", "_"): one.count for one in overview(found)},
        "unusable": [{"ref": one.ref, "reason": one.reason} for one in found.bad],
        "misnamed": list(found.misnamed),
        "exact_copies": _groups(found, found.duplicates),
        "contradictions": _groups(found, found.contradictions),
        "near_duplicates": _groups(found, found.near),
        "leaks": _groups(found, found.leaks),
        "names_alike": [list(pair) for pair in found.alike],
        "class_twins": [
            {"labels": list(one.labels), "auc": round(one.auc, 4), "confused": one.confused, "of": one.of}
            for one in found.twins
        ],
        "balance": dict(found.balance.counts) if found.balance else None,
        "label_errors": None
        if suspects is None
        else {
            "estimated": suspects.estimated,
            "found": [
                {
                    "ref": found.samples[one.row].ref,
                    "label": one.label,
                    "suggested": one.suggested,
                    "given": round(one.given, 6),
                    "other": round(one.other, 6),
                    "score": round(one.score, 6),
                }
                for one in suspects.found
            ],
        },
        "not_looked_at": list(found.omitted),
        "seconds": round(found.seconds, 3),
    }


def _groups(found: Findings, groups: Sequence[Group]) -> list[dict[str, Any]]:
    return [
        {
            "similarity": round(group.similarity, 4),
            "samples": [
                {"ref": sample.ref, "label": sample.label, "part": sample.part}
                for sample in (found.samples[row] for row in group.rows)
            ],
        }
        for group in groups
    ]
