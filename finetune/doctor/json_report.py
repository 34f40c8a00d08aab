"""All findings as one object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune.doctor.findings import DuplicateGroup, Findings
from finetune.doctor.summary import summarize_findings


def build_json_report(findings: Findings) -> dict[str, Any]:
    """Return every finding with the refs of its samples; ready for JSON."""
    suspects = findings.label_errors
    return {
        "source": findings.source,
        "kind": findings.kind,
        "task": findings.task,
        "samples": len(findings.samples),
        "blocked": findings.training_error or None,
        "counts": {one.name.replace(" ", "_"): one.count for one in summarize_findings(findings)},
        "unusable": [{"ref": one.ref, "reason": one.reason} for one in findings.skipped_samples],
        "misnamed": list(findings.misnamed_files),
        "exact_copies": _groups_as_dicts(findings, findings.exact_duplicates),
        "contradictions": _groups_as_dicts(findings, findings.contradictions),
        "near_duplicates": _groups_as_dicts(findings, findings.near_duplicates),
        "leaks": _groups_as_dicts(findings, findings.leaks),
        "names_alike": [list(pair) for pair in findings.similar_names],
        "class_twins": [
            {
                "labels": list(one.labels),
                "auc": round(one.auc, 4),
                "confused": one.confusion_count,
                "of": one.sample_count,
            }
            for one in findings.confusable_classes
        ],
        "balance": dict(findings.label_counts.counts) if findings.label_counts else None,
        "label_errors": None
        if suspects is None
        else {
            "estimated": suspects.estimated_count,
            "found": [
                {
                    "ref": findings.samples[one.row].ref,
                    "label": one.label,
                    "suggested": one.suggested_label,
                    "given": round(one.label_probability, 6),
                    "other": round(one.suggested_probability, 6),
                    "score": round(one.score, 6),
                }
                for one in suspects.suspects
            ],
        },
        "not_looked_at": list(findings.skipped_checks),
        "seconds": round(findings.seconds, 3),
    }


def _groups_as_dicts(findings: Findings, groups: Sequence[DuplicateGroup]) -> list[dict[str, Any]]:
    return [
        {
            "similarity": round(group.similarity, 4),
            "samples": [
                {"ref": sample.ref, "label": sample.label, "part": sample.part}
                for sample in (findings.samples[row] for row in group.rows)
            ],
        }
        for group in groups
    ]
