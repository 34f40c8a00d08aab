"""How good a head is on samples it never saw: plain numbers for the manifest and the report."""

from finetune.metrics.classify import confusion_matrix, measure, measure_known, reliability
from finetune.metrics.coverage import risk_coverage
from finetune.metrics.regress import measure_numbers
from finetune.metrics.tag import measure_tags

__all__ = [
    "confusion_matrix",
    "measure",
    "measure_known",
    "measure_numbers",
    "measure_tags",
    "reliability",
    "risk_coverage",
]
