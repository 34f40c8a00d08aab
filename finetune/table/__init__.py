"""Tables as data sets: find their columns, make samples."""

from finetune.table.load import load

__all__ = ["load"]
