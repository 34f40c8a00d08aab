"""An archive as a dataset: unpacked into the cache for as long as one of its samples lives.

Archives as data sets: unpacked safely, then read as the folder or the table that they hold.
"""

from __future__ import annotations

import dataclasses
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Final

from finetune.data import folder, table
from finetune.data.dataset import (
    ARCHIVE_EXTENSIONS,
    UNSUPPORTED_ARCHIVES,
    DataOptions,
    Dataset,
    LabeledSample,
    SkippedSample,
)
from finetune.data.safe_extract import SafeExtractor, extract_tar, extract_zip, is_case_insensitive
from graft import tables
from graft.errors import DatasetError, MissingExtra
from graft.inputs.sample_files import list_visible
from graft.progress import Progress
from graft.storage.scratch import ScratchFolder

# Readers of archives fail in many ways on hostile bytes; to the user each means the same.
_READER_ERRORS: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(
        EOFError,
        ValueError,
        LookupError,
        ArithmeticError,
        NotImplementedError,
        RecursionError,
        RuntimeError,
        MemoryError,
    ),
)


__all__ = ["is_archive", "load_archive"]


def is_archive(path: Path) -> bool:
    """Say whether a file is an archive by its name; a workbook is a zip file, too, but not meant as one."""
    return _has_extension(path, (*ARCHIVE_EXTENSIONS, *UNSUPPORTED_ARCHIVES))


def load_archive(path: Path, options: DataOptions, progress: Progress) -> Dataset:
    """Read an archive of class folders, or of a table with its files; a single folder at its top is entered.

    Raises:
        DatasetError: it is damaged, holds what is not allowed, or is no dataset. Nothing of it is left then.
    """
    if not _has_extension(path, ARCHIVE_EXTENSIONS):
        raise DatasetError(f"{path} is an archive of a kind that is not read. Unpack it, or pack it as zip or tar.gz.")
    try:
        scratch = ScratchFolder()
    except OSError as fault:
        raise _disk_full_error(path, fault) from None
    try:
        _extract_archive(path, scratch.path, progress)
        root = _find_data_root(scratch.path)
        dataset = _load_contents(root, options)
    except (DatasetError, MissingExtra) as fault:
        scratch.remove()
        # Where it was unpacked is nobody's business: the user knows it by the archive's name.
        message = str(fault).replace(str(scratch.path), str(path))
        raise type(fault)(message) from None
    except BaseException:
        scratch.remove()
        raise
    samples = tuple(
        dataclasses.replace(sample, keep_alive=scratch) for sample in dataset.samples if _is_inside(root, sample)
    )
    outside = tuple(
        SkippedSample(sample.ref, "leads out of the archive.")
        for sample in dataset.samples
        if not _is_inside(root, sample)
    )
    return dataclasses.replace(
        dataset, source=str(path), samples=samples, skipped_samples=(*dataset.skipped_samples, *outside)
    )


def _has_extension(path: Path, extensions: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(tuple(f".{ending}" for ending in extensions))


def _extract_archive(path: Path, target: Path, progress: Progress) -> None:
    with progress.bar(f"unpacking {path.name}", None, "B") as bar:
        extractor = SafeExtractor(path, target, bar, case_insensitive=is_case_insensitive(target))
        try:
            (extract_zip if path.suffix.lower() == ".zip" else extract_tar)(path, extractor)
        except _READER_ERRORS as fault:
            raise extractor.damage_error(fault) from None
        except OSError as fault:
            # The readers of gzip and bzip2 raise it for bytes that are wrong, without a number.
            raise (_disk_full_error(path, fault) if fault.errno else extractor.damage_error(fault)) from None


def _disk_full_error(path: Path, fault: OSError) -> DatasetError:
    return DatasetError(
        f"{path} cannot be unpacked ({fault.strerror}: {fault.filename or 'the disk of the cache'}). "
        "Free some space, or set GRAFT_CACHE to a folder that has it."
    )


def _find_data_root(root: Path) -> Path:
    """Return the single folder at the top of `root`, if it holds folders or a table itself; else `root`."""
    entries = list_visible(root)
    if (
        len(entries) == 1
        and entries[0].is_dir()
        and (_find_tables(entries[0]) or any(path.is_dir() for path in list_visible(entries[0])))
    ):
        return entries[0]
    return root


def _load_contents(root: Path, options: DataOptions) -> Dataset:
    """Read class folders, or the one table: where the user names columns, or it names files, or there is no folder."""
    table_files = _find_tables(root)
    names_columns = any((options.text, options.label, options.split_column, options.sheet))
    flat = not any(path.is_dir() for path in list_visible(root))
    if len(table_files) == 1 and (names_columns or flat or _has_path_column(table_files[0], options)):
        return table.load_table(table_files[0], options)
    if table_files and (names_columns or flat):
        raise DatasetError(
            f"{root} holds several tables: {', '.join(path.name for path in table_files)}. Unpack it, and give one of them."
        )
    return folder.load_folder(root, options)


def _find_tables(root: Path) -> list[Path]:
    return [path for path in list_visible(root) if path.suffix.lower() in tables.TABLE_SUFFIXES and path.is_file()]


def _has_path_column(path: Path, options: DataOptions) -> bool:
    """Say whether a table has a column of paths to pictures."""
    try:
        sheet = tables.read_table(path, options.sheet)
        return bool(sheet.rows) and tables.ColumnSearch(str(path), sheet).find_image_paths() is not None
    except DatasetError:
        return False


def _is_inside(root: Path, sample: LabeledSample) -> bool:
    """Say whether a sample is of the archive: a table may name any path. There are no links in it to follow."""
    inside = str(root) + os.sep
    return isinstance(sample.source, bytes) or os.path.normpath(sample.source).startswith(inside)
