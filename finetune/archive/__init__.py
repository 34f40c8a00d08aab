"""Archives as data sets: unpacked safely, then read as the folder or the table that they hold."""

from finetune.archive.load import is_archive, load_archive

__all__ = ["is_archive", "load_archive"]
