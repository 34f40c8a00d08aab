"""An archive as a dataset: unpacked into the cache for as long as one of its samples lives."""

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

from finetune import folder, table
from finetune.archive.tars import unpack_tar
from finetune.archive.unpacking import Unpacking, folds_case
from finetune.archive.zips import unpack_zip
from finetune.dataset import ARCHIVES, OTHER_ARCHIVES, Bad, Dataset, Sample, Wanted
from zoo import table as tables
from zoo.errors import DatasetError, MissingExtra
from zoo.folders import visible
from zoo.progress import Progress
from zoo.scratch import Scratch

# Readers of archives fail in many ways on hostile bytes; to the user each means the same.
_FAULTS: Final = (
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
    """Say whether a file is an archive by its name; a workbook is a zip file, too, but not meant as one."""
    return _ends(path, (*ARCHIVES, *OTHER_ARCHIVES))


def load(path: Path, wanted: Wanted, progress: Progress) -> Dataset:
    """Read an archive of class folders, or of a table with its files; a single folder at its top is entered.

    Raises:
        DatasetError: it is damaged, holds what is not allowed, or is no dataset. Nothing of it is left then.
    """
    if not _ends(path, ARCHIVES):
        raise DatasetError(f"{path} is an archive of a kind that is not read. Unpack it, or pack it as zip or tar.gz.")
    try:
        scratch = Scratch()
    except OSError as fault:
        raise _no_room(path, fault) from None
    try:
        _unpack(path, scratch.path, progress)
        root = _entered(scratch.path)
        found = _found(root, wanted)
    except (DatasetError, MissingExtra) as fault:
        scratch.remove()
        # Where it was unpacked is nobody's business: the user knows it by the archive's name.
        told = str(fault).replace(str(scratch.path), str(path))
        raise type(fault)(told) from None
    except BaseException:
        scratch.remove()
        raise
    samples = tuple(dataclasses.replace(sample, keep=scratch) for sample in found.samples if _lies_in(root, sample))
    odd = tuple(Bad(sample.ref, "leads out of the archive.") for sample in found.samples if not _lies_in(root, sample))
    return dataclasses.replace(found, source=str(path), samples=samples, bad=(*found.bad, *odd))


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(tuple(f".{ending}" for ending in endings))


def _unpack(path: Path, folder: Path, progress: Progress) -> None:
    with progress.bar(f"unpacking {path.name}", None, "B") as bar:
        into = Unpacking(path, folder, bar, folds_case=folds_case(folder))
        try:
            (unpack_zip if path.suffix.lower() == ".zip" else unpack_tar)(path, into)
        except _FAULTS as fault:
            raise into.damaged(fault) from None
        except OSError as fault:
            # The readers of gzip and bzip2 raise it for bytes that are wrong, without a number.
            raise (_no_room(path, fault) if fault.errno else into.damaged(fault)) from None


def _no_room(path: Path, fault: OSError) -> DatasetError:
    return DatasetError(
        f"{path} cannot be unpacked ({fault.strerror}: {fault.filename or 'the disk of the cache'}). "
        "Free some space, or set GRAFT_CACHE to a folder that has it."
    )


def _entered(root: Path) -> Path:
    """Return the single folder at the top of `root`, if it holds folders or a table itself; else `root`."""
    top = visible(root)
    if len(top) == 1 and top[0].is_dir() and (_tables(top[0]) or any(path.is_dir() for path in visible(top[0]))):
        return top[0]
    return root


def _found(root: Path, wanted: Wanted) -> Dataset:
    """Read class folders, or the one table: where the user names columns, or it names files, or there is no folder."""
    found = _tables(root)
    asked = any((wanted.text, wanted.label, wanted.split_column, wanted.sheet))
    flat = not any(path.is_dir() for path in visible(root))
    if len(found) == 1 and (asked or flat or _names_files(found[0], wanted)):
        return table.load(found[0], wanted)
    if found and (asked or flat):
        raise DatasetError(
            f"{root} holds several tables: {', '.join(path.name for path in found)}. Unpack it, and give one of them."
        )
    return folder.load(root, wanted)


def _tables(root: Path) -> list[Path]:
    return [path for path in visible(root) if path.suffix.lower() in tables.SUFFIXES and path.is_file()]


def _names_files(path: Path, wanted: Wanted) -> bool:
    """Say whether a table has a column of paths to pictures."""
    try:
        sheet = tables.read(path, wanted.sheet)
        return bool(sheet.rows) and tables.Search(str(path), sheet).paths() is not None
    except DatasetError:
        return False


def _lies_in(root: Path, sample: Sample) -> bool:
    """Say whether a sample is of the archive: a table may name any path. There are no links in it to follow."""
    inside = str(root) + os.sep
    return isinstance(sample.source, bytes) or os.path.normpath(sample.source).startswith(inside)
