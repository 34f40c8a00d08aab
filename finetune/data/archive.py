"""Archives (zip, tar) as datasets: extracted safely, then read as the folder or table inside.

They are extracted into a scratch folder of the cache, which is deleted with the last of their samples.
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

from finetune.data.dataset import (
    ARCHIVE_EXTENSIONS,
    UNSUPPORTED_ARCHIVES,
    DataOptions,
    Dataset,
    LabeledSample,
    SkippedSample,
)
from finetune.data.folder import load_folder
from finetune.data.safe_extract import SafeExtractor, extract_tar, extract_zip, is_case_insensitive
from finetune.data.table import load_table
from graft import tables
from graft.errors import DatasetError, MissingExtra
from graft.inputs.sample_files import list_visible
from graft.progress import Progress
from graft.storage.scratch import ScratchFolder

# Archive readers fail in many ways on hostile bytes; all of them mean a damaged archive.
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


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive by its extension; workbooks are zip files, too, but are read as tables."""
    return _has_extension(path, (*ARCHIVE_EXTENSIONS, *UNSUPPORTED_ARCHIVES))


def load_archive(path: Path, options: DataOptions, progress: Progress) -> Dataset:
    """Read an archive of class folders, or of a table with its files; a single folder at its top is entered.

    Raises:
        DatasetError: it is damaged, holds a forbidden entry, or is not a dataset. Extracted files are deleted then.
        MissingExtra: a package that its table needs is not installed.
    """
    if not _has_extension(path, ARCHIVE_EXTENSIONS):
        raise DatasetError(f"{path} is an archive of an unsupported kind. Unpack it, or pack it as zip or tar.gz.")
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
        # The user knows the data by the archive's path, not by the scratch folder's.
        message = str(fault).replace(str(scratch.path), str(path))
        raise type(fault)(message) from None
    except BaseException:
        scratch.remove()
        raise
    samples = tuple(
        dataclasses.replace(sample, keep_alive=scratch) for sample in dataset.samples if _is_inside(root, sample)
    )
    outside = tuple(
        SkippedSample(sample.ref, "its path leads out of the archive.")
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
            # The readers of gzip and bzip2 raise OSError without an errno for corrupt data.
            raise (_disk_full_error(path, fault) if fault.errno else extractor.damage_error(fault)) from None


def _disk_full_error(path: Path, fault: OSError) -> DatasetError:
    return DatasetError(
        f"{path} cannot be unpacked ({fault.strerror}: {fault.filename or 'the disk of the cache'}). "
        "Free some space, or set GRAFT_CACHE to a folder on a larger disk."
    )


def _find_data_root(root: Path) -> Path:
    """Return the only folder in `root` if it contains folders or a table; else `root`."""
    entries = list_visible(root)
    if (
        len(entries) == 1
        and entries[0].is_dir()
        and (_find_tables(entries[0]) or any(path.is_dir() for path in list_visible(entries[0])))
    ):
        return entries[0]
    return root


def _load_contents(root: Path, options: DataOptions) -> Dataset:
    """Read the only table, if columns are named, it has image paths, or there are no folders; else class folders."""
    table_files = _find_tables(root)
    flat = not any(path.is_dir() for path in list_visible(root))
    if len(table_files) == 1 and (options.names_columns or flat or _has_path_column(table_files[0], options)):
        return load_table(table_files[0], options)
    if table_files and (options.names_columns or flat):
        raise DatasetError(
            f"{root} holds several tables: {', '.join(path.name for path in table_files)}. "
            "Unpack it, and pass one of them."
        )
    return load_folder(root, options)


def _find_tables(root: Path) -> list[Path]:
    return [path for path in list_visible(root) if path.suffix.lower() in tables.TABLE_SUFFIXES and path.is_file()]


def _has_path_column(path: Path, options: DataOptions) -> bool:
    """Return whether a table has a column of image paths."""
    try:
        contents = tables.read_table(path, options.sheet)
        return bool(contents.rows) and tables.ColumnSearch(str(path), contents).find_image_paths() is not None
    except DatasetError:
        return False


def _is_inside(root: Path, sample: LabeledSample) -> bool:
    """Return whether a sample lies in the archive, as a table may name any path. Archives contain no links."""
    inside = str(root) + os.sep
    return isinstance(sample.source, bytes) or os.path.normpath(sample.source).startswith(inside)
