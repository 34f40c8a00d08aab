"""Tables as data sets: read a file, find its columns, make samples."""

from finetune.table.load import load

__all__ = ["load"]
