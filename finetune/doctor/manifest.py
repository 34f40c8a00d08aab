"""Samples as a table that `finetune TABLE` reads, proven by reading it back before it gets its name."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from finetune.archive import is_archive
from finetune.dataset import Kind, Part, Sample, Wanted
from finetune.doctor.findings import Findings
from finetune.table import load
from finetune.tasks import Task
from zoo.errors import DatasetError
from zoo.files import write_whole
from zoo.utf8 import texts_of


def check_place(found: Findings, path: Path) -> None:
    """Check that a table of the samples may be written to `path`.

    Raises:
        DatasetError: it may not.
    """
    if path.suffix.lower() != ".csv":
        raise DatasetError(f"--fix writes a CSV file, but {path} is not called so. Give it a name that ends in .csv.")
    if path.exists():
        raise DatasetError(f"there is a {path} already, and --fix overwrites nothing. Choose another name.")
    if found.kind is not Kind.IMAGE:
        return
    if any(isinstance(sample.source, bytes) for sample in found.samples):
        raise DatasetError(f"the pictures of {found.source} are no files, so a table cannot name them.")
    if is_archive(Path(found.source)):
        raise DatasetError(f"a table cannot name pictures inside of {found.source}. Unpack it and check the folder.")


def write(found: Findings, rows: Sequence[int], suggested: Mapping[int, str], path: Path) -> None:
    """Write the table of the samples `rows`; those in `suggested` get that in a column `suspect`.

    Raises:
        DatasetError: the samples cannot stand in a table, or it cannot be written.
    """
    samples = [found.samples[row] for row in rows]
    split = any(sample.part for sample in found.samples)
    labelled = [_label_column(found)] if found.task is not Task.EMBED else []
    heads = [*_columns(found), *labelled, *(["split"] if split else []), *(["suspect"] if suggested else [])]
    table = io.StringIO()
    # Quotes everywhere, so that no delimiter but the comma can be guessed.
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(heads)
    for row, sample in zip(rows, samples, strict=True):
        label = [sample.label] if labelled else []
        part = [str(sample.part or Part.TRAIN)] if split else []
        writer.writerow(
            [*_content(found, sample, path), *label, *part, *([suggested.get(row, "")] if suggested else [])]
        )
    _publish(found, samples, path, table.getvalue())


def _columns(found: Findings) -> list[str]:
    if found.kind is Kind.IMAGE:
        return ["path"]
    return ["text"] if found.texts == 1 else ["text_a", "text_b"]


def _label_column(found: Findings) -> str:
    return found.target if found.task is Task.REGRESS else "label"


def _content(found: Findings, sample: Sample, path: Path) -> tuple[str, ...]:
    if isinstance(sample.source, Path) and found.kind is Kind.IMAGE:
        # Where the manifest's folder is a link, ".." leads out of what it points to.
        return (os.path.relpath(sample.source.absolute(), path.absolute().parent.resolve()),)
    return texts_of(sample.read(), _texts(found))


def _texts(found: Findings) -> Literal[1, 2]:
    return 2 if found.texts == 2 else 1


def _publish(found: Findings, samples: Sequence[Sample], path: Path, table: str) -> None:
    draft = path.with_name(f".{path.stem}.draft.csv")
    try:
        write_whole(draft, table.encode())
        _prove(found, samples, draft)
        os.replace(draft, path)
    except UnicodeEncodeError as fault:
        name = fault.object[max(0, fault.start - 20) : fault.end + 20]
        raise DatasetError(f"{found.source}: {name!a} is not UTF-8, so no table can hold it. Rename it.") from None
    except OSError as fault:
        raise DatasetError(f"{path} cannot be written ({fault.strerror}). Choose another place for --fix.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _prove(found: Findings, samples: Sequence[Sample], draft: Path) -> None:
    """Check that the table reads back as the same samples."""
    wanted = Wanted(task=found.task, label=_label_column(found) if found.task is Task.REGRESS else "")
    try:
        back = load(draft, wanted)
    except DatasetError as fault:
        raise DatasetError(f"the samples of {found.source} cannot stand in a table: {fault}") from None
    split = any(sample.part for sample in samples)
    lost = _meant(found, samples, split=split) - _meant(found, back.samples, split=split)
    if lost or len(back.samples) != len(samples):
        first = next(iter(lost), ("",))
        raise DatasetError(
            f"{found.source}: {first[0]!r} does not come back from a table as it is. Rename it, or write the manifest "
            "by hand."
        )


def _meant(found: Findings, samples: Iterable[Sample], *, split: bool) -> Counter[tuple[str, ...]]:
    """Return what each sample is: its file or text, its label and its part."""
    meant: Counter[tuple[str, ...]] = Counter()
    for sample in samples:
        if isinstance(sample.source, Path) and found.kind is Kind.IMAGE:
            content: tuple[str, ...] = (os.path.realpath(sample.source),)
        else:
            content = tuple(text.strip() for text in texts_of(sample.read(), _texts(found)))
        part = str(sample.part or Part.TRAIN) if split else ""
        meant[*content, sample.label if found.task is not Task.EMBED else "", part] += 1
    return meant
