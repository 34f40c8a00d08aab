"""How good a head is on samples it never saw: plain numbers for the manifest and the report."""

from finetune.metrics.classify import classification_metrics, confusion_matrix, reliability_curve, unknown_metrics
from finetune.metrics.coverage import risk_coverage
from finetune.metrics.regress import regression_metrics
from finetune.metrics.tag import tagging_metrics

__all__ = [
    "classification_metrics",
    "confusion_matrix",
    "regression_metrics",
    "reliability_curve",
    "risk_coverage",
    "tagging_metrics",
    "unknown_metrics",
]
