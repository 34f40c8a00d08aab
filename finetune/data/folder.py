"""A folder of class folders of pictures or of .txt files, perhaps below train/, val/ and test/, as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from finetune.data.dataset import PART_BY_NAME, DataKind, DataOptions, Dataset, LabeledSample, SplitPart
from finetune.data.task import Task
from graft.errors import DatasetError
from graft.inputs.magic_bytes import sniff_format
from graft.inputs.sample_files import IMAGE_SUFFIXES, TEXT_SUFFIXES, list_visible, printable_path, walk_files

# Files that lie about in data folders and are clearly no samples; anything else is tried.
NON_SAMPLE_EXTENSIONS: Final = frozenset(
    f".{suffix}"
    for group in (
        ("txt", "md", "rst", "html", "htm", "log", "license"),
        ("csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "db", "sha256", "md5"),
        ("py", "ipynb", "sh"),
    )
    for suffix in group
)
MAX_INSPECTED_FILES: Final = 20  # files without a telling name whose content decides whether they are pictures


def load_folder(root: Path, options: DataOptions) -> Dataset:
    """Read a folder: each folder in it is a class, and every picture, or every .txt file, below that is a sample.

    Where the folders are `train` and `val` or `test` (or `valid`, `validation`, …) with class folders in
    them, they are the data's own split. Hidden files are ignored; so are links that lead back up. Labels that
    look like numbers are classes, unless a task is asked for. To embed, files may lie in the folder itself.

    Raises:
        DatasetError: it is not laid out so, or cannot be read.
    """
    if any((*options.text, options.label, options.split_column, options.sheet)):
        raise DatasetError(f"{root} is a folder: --text, --label, --split-column and --sheet are for tables.")
    try:
        if options.task is Task.EMBED:
            return _load_unlabeled(root)
        parts = _find_split_folders(_list_folders(root))
        part_by_folder: dict[Path, SplitPart | None] = {**parts} or {root: None}
        class_files = [path for top in part_by_folder for folder in _list_folders(top) for path in walk_files(folder)]
        kind = _guess_kind(class_files or list(walk_files(root)))
        samples: list[LabeledSample] = []
        ignored_count = 0
        for top, part in part_by_folder.items():
            _refuse_unlabeled_samples(top, kind)
            for folder in _list_folders(top):
                paths = list(walk_files(folder))
                sample_paths = [path for path in paths if _is_sample_file(path, kind)]
                ignored_count += len(paths) - len(sample_paths)
                if not sample_paths:
                    raise DatasetError(
                        f"{folder} holds no {kind.plural}. Remove the folder, or put {kind.plural} into it."
                    )
                samples += [LabeledSample(_relative_name(path, root), folder.name, part, path) for path in sample_paths]
    except OSError as fault:
        raise DatasetError(f"{fault.filename} cannot be read ({fault.strerror}). Check its permissions.") from None
    samples.sort(key=lambda sample: sample.ref)
    return Dataset(
        str(root), tuple(samples), _describe_folder(kind, ignored_count), kind, task=options.task or Task.CLASSIFY
    )


def _load_unlabeled(root: Path) -> Dataset:
    paths = list(walk_files(root))
    kind = _guess_kind(paths)
    samples = [
        LabeledSample(_relative_name(path, root), "", None, path) for path in paths if _is_sample_file(path, kind)
    ]
    notes = _describe_folder(kind, len(paths) - len(samples))
    return Dataset(str(root), tuple(sorted(samples, key=lambda s: s.ref)), notes, kind, task=Task.EMBED)


def _describe_folder(kind: DataKind, ignored_count: int) -> tuple[str, ...]:
    notes = [f"the samples are {kind.plural}"] if kind is DataKind.TEXT else []
    if ignored_count:
        noun = "no pictures (.txt, .json, …)" if kind is DataKind.IMAGE else "no texts (not .txt)"
        notes.append(f"{ignored_count} files that are clearly {noun} were passed over.")
    return tuple(notes)


def _guess_kind(paths: list[Path]) -> DataKind:
    """Say what the samples are: by their names, else by the content of the first files."""
    pictures = sum(path.suffix.lower() in IMAGE_SUFFIXES for path in paths)
    texts = sum(path.suffix.lower() in TEXT_SUFFIXES for path in paths)
    if pictures or texts:
        return DataKind.TEXT if texts > pictures else DataKind.IMAGE
    unclear = [path for path in paths if path.suffix.lower() not in NON_SAMPLE_EXTENSIONS and path.is_file()][
        :MAX_INSPECTED_FILES
    ]
    return DataKind.TEXT if unclear and all(map(_is_text_file, unclear)) else DataKind.IMAGE


def _is_text_file(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.decode(errors="ignore")  # the cut may halve the last character
    return (
        sniff_format(head) is None and b"\0" not in head and len(head) - len(text.encode()) < 4 and bool(text.strip())
    )


def _is_sample_file(path: Path, kind: DataKind) -> bool:
    suffix = path.suffix.lower()
    if kind is DataKind.TEXT:
        return suffix in TEXT_SUFFIXES or (suffix not in IMAGE_SUFFIXES and suffix not in NON_SAMPLE_EXTENSIONS)
    return suffix not in NON_SAMPLE_EXTENSIONS


def _find_split_folders(folders: list[Path]) -> dict[Path, SplitPart]:
    """Return the part of each folder if they are a split; nothing if they are classes."""
    parts = {folder: PART_BY_NAME[folder.name.lower()] for folder in folders if folder.name.lower() in PART_BY_NAME}
    if len(parts) < 2 or SplitPart.TRAIN not in parts.values() or not any(_list_folders(folder) for folder in parts):
        return {}
    if strange := [folder.name for folder in folders if folder not in parts]:
        raise DatasetError(
            f"{folders[0].parent} holds the split {', '.join(folder.name + '/' for folder in parts)} and also "
            f"{', '.join(strange)}. Move what is no part of the split away, or say it all in a CSV file."
        )
    return parts


def _refuse_unlabeled_samples(top: Path, kind: DataKind) -> None:
    suffixes = IMAGE_SUFFIXES if kind is DataKind.IMAGE else TEXT_SUFFIXES
    loose = [path for path in list_visible(top) if path.suffix.lower() in suffixes and path.is_file()]
    # A README.txt beside the class folders is no sample.
    if not loose or (kind is DataKind.TEXT and _list_folders(top)):
        return
    tables = [path for path in list_visible(top) if path.suffix.lower() in (".csv", ".tsv")]
    hint = f"If {tables[0].name} names them, give it: finetune {tables[0]}. " if tables else ""
    raise DatasetError(
        f"{len(loose):,} {kind.plural} lie directly in {top} ({loose[0].name}, …), so their class is not known. {hint}"
        f"Put each {kind.plural[:-1]} into a folder called after its class."
    )


def _list_folders(top: Path) -> list[Path]:
    return [path for path in list_visible(top) if path.is_dir()]


def _relative_name(path: Path, root: Path) -> str:
    """Return `path` below `root` as text, whatever bytes are in it."""
    return printable_path(path.relative_to(root))
