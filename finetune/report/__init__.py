"""report.html: how good a model is and where it errs, in one file that opens without a network."""

from finetune.report.mistakes import ReportSamples, worst_mistakes
from finetune.report.page import ReportContent, render_report, wilson

__all__ = ["ReportContent", "ReportSamples", "render_report", "wilson", "worst_mistakes"]
