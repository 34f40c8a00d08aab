"""`finetune check --fix`: write a cleaned table of the samples, a CSV file that `finetune` trains on.

The table is read back before it gets its name.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from finetune.data.archive import is_archive
from finetune.data.dataset import DataKind, DataOptions, LabeledSample, SplitPart
from finetune.data.table import load_table
from finetune.data.task import Task
from finetune.doctor.duplicates import MAX_DUPLICATE_GROUP_SIZE
from finetune.doctor.findings import Findings
from graft.errors import DatasetError
from graft.inputs.text_bytes import decode_text_sample
from graft.storage.atomic_file import write_atomic

# Of copies in several parts of a split, the first of these parts keeps them.
_PART_PRIORITY: Final = (SplitPart.TEST, SplitPart.VAL, SplitPart.TRAIN, None)


def require_writable_table(findings: Findings, path: Path) -> None:
    """Require that a table of the samples can be written to `path`.

    Raises:
        DatasetError: it cannot: the name, the file there or the kind of the samples forbids it.
    """
    if path.suffix.lower() != ".csv":
        raise DatasetError(f"--fix writes a CSV file, but {path} does not end in .csv. Choose a name that does.")
    if path.exists():
        raise DatasetError(f"{path} already exists, and --fix overwrites nothing. Choose another name.")
    if findings.kind is not DataKind.IMAGE:
        return
    if any(isinstance(sample.source, bytes) for sample in findings.samples):
        raise DatasetError(f"the pictures of {findings.source} are not files, so a table cannot name them.")
    if is_archive(Path(findings.source)):
        raise DatasetError(
            f"a table cannot name pictures inside the archive {findings.source}. Unpack it and check the folder."
        )


def write_table_csv(findings: Findings, rows: Sequence[int], suggestions: Mapping[int, str], path: Path) -> None:
    """Write the samples `rows` as a table; `suggestions` are labels by row, for a column `suspect`.

    Raises:
        DatasetError: a table cannot hold the samples, or it cannot be written.
    """
    samples = [findings.samples[row] for row in rows]
    split = any(sample.part for sample in findings.samples)
    label_column = [_label_column_name(findings)] if findings.task is not Task.EMBED else []
    header = [
        *_content_columns(findings),
        *label_column,
        *(["split"] if split else []),
        *(["suspect"] if suggestions else []),
    ]
    table = io.StringIO()
    # Quoted everywhere, so that a reader can take nothing but the comma for the delimiter.
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    for row, sample in zip(rows, samples, strict=True):
        label = [sample.label] if label_column else []
        part = [str(sample.part or SplitPart.TRAIN)] if split else []
        writer.writerow(
            [
                *_content_cells(findings, sample, path),
                *label,
                *part,
                *([suggestions.get(row, "")] if suggestions else []),
            ]
        )
    _write_atomically(findings, samples, path, table.getvalue())


def _content_columns(findings: Findings) -> list[str]:
    if findings.kind is DataKind.IMAGE:
        return ["path"]
    return ["text"] if findings.texts_per_sample == 1 else ["text_a", "text_b"]


def _label_column_name(findings: Findings) -> str:
    return findings.target if findings.task is Task.REGRESS else "label"


def _content_cells(findings: Findings, sample: LabeledSample, path: Path) -> tuple[str, ...]:
    if isinstance(sample.source, Path) and findings.kind is DataKind.IMAGE:
        # Resolved, since ".." behind a symbolic link leads out of the folder that it points to.
        return (os.path.relpath(sample.source.absolute(), path.absolute().parent.resolve()),)
    return decode_text_sample(sample.read(), _texts_per_sample(findings))


def _texts_per_sample(findings: Findings) -> Literal[1, 2]:
    return 2 if findings.texts_per_sample == 2 else 1


def _write_atomically(findings: Findings, samples: Sequence[LabeledSample], path: Path, table: str) -> None:
    draft = path.with_name(f".{path.stem}.draft.csv")
    try:
        write_atomic(draft, table.encode())
        _require_round_trip(findings, samples, draft)
        os.replace(draft, path)
    except UnicodeEncodeError as fault:
        name = fault.object[max(0, fault.start - 20) : fault.end + 20]
        raise DatasetError(f"{findings.source}: {name!a} is not UTF-8, so no table can hold it. Rename it.") from None
    except OSError as fault:
        raise DatasetError(f"{path} cannot be written ({fault.strerror}). Choose another place for --fix.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _require_round_trip(findings: Findings, samples: Sequence[LabeledSample], draft: Path) -> None:
    """Require that the table reads back as the same samples."""
    options = DataOptions(
        task=findings.task, label=_label_column_name(findings) if findings.task is Task.REGRESS else ""
    )
    try:
        reread = load_table(draft, options)
    except DatasetError as fault:
        raise DatasetError(f"a table cannot hold the samples of {findings.source}: {fault}") from None
    split = any(sample.part for sample in samples)
    lost = _count_samples(findings, samples, split=split) - _count_samples(findings, reread.samples, split=split)
    if lost or len(reread.samples) != len(samples):
        first = next(iter(lost), ("",))
        raise DatasetError(
            f"{findings.source}: {first[0]!r} reads back from a table as something else. Rename it, or write the table "
            "by hand."
        )


def _count_samples(findings: Findings, samples: Iterable[LabeledSample], *, split: bool) -> Counter[tuple[str, ...]]:
    """Count the samples by file or text, label and part."""
    counts: Counter[tuple[str, ...]] = Counter()
    for sample in samples:
        if isinstance(sample.source, Path) and findings.kind is DataKind.IMAGE:
            content: tuple[str, ...] = (os.path.realpath(sample.source),)
        else:
            content = tuple(text.strip() for text in decode_text_sample(sample.read(), _texts_per_sample(findings)))
        part = str(sample.part or SplitPart.TRAIN) if split else ""
        counts[*content, sample.label if findings.task is not Task.EMBED else "", part] += 1
    return counts


@dataclass(frozen=True, slots=True)
class CleanTable:
    """A cleaned table that was written."""

    path: Path
    sample_count: int
    dropped: int  # readable samples that are not in it
    suspects: int  # samples in it with a suspect label
    leaks: int  # groups of near duplicates across parts that are in it, as they are large
    command: str  # trains on it

    def to_dict(self) -> dict[str, Any]:
        """Return the entry `fix` of `finetune check --json`."""
        return {
            "path": str(self.path),
            "kept": self.sample_count,
            "dropped": self.dropped,
            "suspects": self.suspects,
            "leaks": self.leaks,
            "command": self.command,
        }


def write_clean_table(findings: Findings, path: Path) -> CleanTable:
    """Write a cleaned table to `path`; the data are not touched, and no label is changed.

    Dropped are unreadable samples, contradictions, all but one of each group of exact copies, and leaks: of copies in
    several parts those outside the first part (test before val before train). Near duplicates in groups of more than
    `MAX_DUPLICATE_GROUP_SIZE` are kept, since they may differ after all. Suspect labels are kept, too, with the
    suggested one in a column `suspect`.

    Raises:
        DatasetError: the file exists, or a table cannot hold the samples.
    """
    require_writable_table(findings, path)
    dropped_rows = rows_to_drop(findings)
    rows = [row for row in range(len(findings.samples)) if row not in dropped_rows]
    kept_rows = set(rows)
    suggestions = {
        one.row: one.suggested_label
        for one in reversed(findings.label_errors.suspects if findings.label_errors else ())
    }
    suggestions = {row: label for row, label in suggestions.items() if row in kept_rows}
    write_table_csv(findings, rows, suggestions, path)
    large_leaks = sum(len(leak.rows) > MAX_DUPLICATE_GROUP_SIZE for leak in findings.leaks)
    return CleanTable(path, len(rows), len(dropped_rows), len(suggestions), large_leaks, _train_command(findings, path))


def rows_to_drop(findings: Findings) -> set[int]:
    """Return the rows of the samples that a cleaned table drops."""

    def rank(row: int) -> int:
        return _PART_PRIORITY.index(findings.samples[row].part)

    rows = {row for group in findings.contradictions for row in group.rows}
    for group in findings.exact_duplicates:
        rows |= set(sorted(group.rows, key=rank)[1:])
    for group in (leak for leak in findings.leaks if len(leak.rows) <= MAX_DUPLICATE_GROUP_SIZE):
        best = min(map(rank, group.rows))
        rows |= {row for row in group.rows if rank(row) > best}
    return rows


def _train_command(findings: Findings, path: Path) -> str:
    label = f" --label {shlex.quote(findings.target)}" if findings.task is Task.REGRESS else ""
    return f"finetune {shlex.quote(str(path))} --task {findings.task}{label}"
