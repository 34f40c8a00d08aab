"""Tables as data sets: find their columns, make samples."""

from finetune.table.load import load_table

__all__ = ["load_table"]
