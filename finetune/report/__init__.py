"""report.html: how good a model is and where it errs, in one file that opens without a network."""

from finetune.report.mistakes import Outcome, worst
from finetune.report.page import Story, render, wilson

__all__ = ["Outcome", "Story", "render", "wilson", "worst"]
