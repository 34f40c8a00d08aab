"""report.html: how good a model is and where it errs, in one file that opens without a network."""

from finetune.report.page import ReportContent, render_report
from finetune.report.worst_samples import ReportSamples, worst_mistakes

__all__ = ["ReportContent", "ReportSamples", "render_report", "worst_mistakes"]
