"""report.html: how good a model is and where it errs, in one file that opens without a network."""

from finetune.report.page import Story, render, wilson, worst

__all__ = ["Story", "render", "wilson", "worst"]
