"""Folders as datasets: class folders of images or .txt files, optionally below train/, val/ and test/."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from finetune.data.dataset import PART_BY_NAME, DataKind, DataOptions, Dataset, LabeledSample, SplitPart
from finetune.data.task import Task
from graft.errors import DatasetError
from graft.inputs.magic_bytes import sniff_format
from graft.inputs.sample_files import IMAGE_SUFFIXES, TEXT_SUFFIXES, list_visible, printable_path, walk_files

# Files in data folders that are clearly not image samples; all others are tried.
NON_SAMPLE_EXTENSIONS: Final = frozenset(
    f".{suffix}"
    for group in (
        ("txt", "md", "rst", "html", "htm", "log", "license"),
        ("csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "db", "sha256", "md5"),
        ("py", "ipynb", "sh"),
    )
    for suffix in group
)
MAX_INSPECTED_FILES: Final = 20  # files without a known extension whose content decides the kind of the samples


def load_folder(root: Path, options: DataOptions) -> Dataset:
    """Read a folder: each folder in it is a class, and every image (or .txt file) below that is a sample.

    Folders called `train` and `val` or `test` (or `valid`, `validation`, …) that contain class folders are the
    data's own split. Hidden files and links that lead back up are ignored. Labels that look like numbers are
    classes, unless `options.task` says otherwise. For the task embed, files may lie in the folder itself.

    Raises:
        DatasetError: the folder has another layout, or cannot be read.
    """
    if options.names_columns:
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
        noun = "not images (.txt, .json, …)" if kind is DataKind.IMAGE else "not texts (no .txt)"
        notes.append(f"{ignored_count} files that are clearly {noun} were ignored.")
    return tuple(notes)


def _guess_kind(paths: list[Path]) -> DataKind:
    """Return the kind of the samples: by the files' extensions, else by the content of the first files."""
    images = sum(path.suffix.lower() in IMAGE_SUFFIXES for path in paths)
    texts = sum(path.suffix.lower() in TEXT_SUFFIXES for path in paths)
    if images or texts:
        return DataKind.TEXT if texts > images else DataKind.IMAGE
    unclear = [path for path in paths if path.suffix.lower() not in NON_SAMPLE_EXTENSIONS and path.is_file()][
        :MAX_INSPECTED_FILES
    ]
    return DataKind.TEXT if unclear and all(map(_is_text_file, unclear)) else DataKind.IMAGE


def _is_text_file(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.decode(errors="ignore")  # the last character may be cut in two
    return (
        sniff_format(head) is None and b"\0" not in head and len(head) - len(text.encode()) < 4 and bool(text.strip())
    )


def _is_sample_file(path: Path, kind: DataKind) -> bool:
    suffix = path.suffix.lower()
    if kind is DataKind.TEXT:
        return suffix in TEXT_SUFFIXES or (suffix not in IMAGE_SUFFIXES and suffix not in NON_SAMPLE_EXTENSIONS)
    return suffix not in NON_SAMPLE_EXTENSIONS


def _find_split_folders(folders: list[Path]) -> dict[Path, SplitPart]:
    """Return the part of each folder if the folders are a split; {} if they are classes."""
    parts = {folder: PART_BY_NAME[folder.name.lower()] for folder in folders if folder.name.lower() in PART_BY_NAME}
    if len(parts) < 2 or SplitPart.TRAIN not in parts.values() or not any(_list_folders(folder) for folder in parts):
        return {}
    if other_folders := [folder.name for folder in folders if folder not in parts]:
        raise DatasetError(
            f"{folders[0].parent} holds the split {', '.join(folder.name + '/' for folder in parts)} and also "
            f"{', '.join(other_folders)}. Move folders that are not part of the split away, or list all files in a CSV."
        )
    return parts


def _refuse_unlabeled_samples(top: Path, kind: DataKind) -> None:
    suffixes = IMAGE_SUFFIXES if kind is DataKind.IMAGE else TEXT_SUFFIXES
    loose = [path for path in list_visible(top) if path.suffix.lower() in suffixes and path.is_file()]
    # A README.txt beside the class folders is not a sample.
    if not loose or (kind is DataKind.TEXT and _list_folders(top)):
        return
    tables = [path for path in list_visible(top) if path.suffix.lower() in (".csv", ".tsv")]
    hint = f"If {tables[0].name} lists them, pass that: finetune {tables[0]}. " if tables else ""
    raise DatasetError(
        f"{len(loose):,} {kind.plural} lie directly in {top} ({loose[0].name}, …), so their class is unknown. {hint}"
        f"Put each {kind.plural[:-1]} into a folder named after its class."
    )


def _list_folders(top: Path) -> list[Path]:
    return [path for path in list_visible(top) if path.is_dir()]


def _relative_name(path: Path, root: Path) -> str:
    """Return `path` relative to `root`, printable even if it is not valid UTF-8."""
    return printable_path(path.relative_to(root))
