"""A folder of class folders of pictures or of .txt files, perhaps below train/, val/ and test/, as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from finetune.dataset import PART_NAMES, Dataset, Kind, Part, Sample, Wanted
from finetune.tasks import Task
from zoo.errors import DatasetError
from zoo.folders import PICTURE, TEXT, files, shown, visible
from zoo.sniff import sniff

# Files that lie about in data folders and are clearly no samples; anything else is tried.
BESIDE: Final = frozenset(
    f".{suffix}"
    for group in (
        ("txt", "md", "rst", "html", "htm", "log", "license"),
        ("csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "db", "sha256", "md5"),
        ("py", "ipynb", "sh"),
    )
    for suffix in group
)
LOOKED_AT: Final = 20  # files without a telling name whose content decides whether they are pictures


def load(root: Path, wanted: Wanted) -> Dataset:
    """Read a folder: each folder in it is a class, and every picture, or every .txt file, below that is a sample.

    Where the folders are `train` and `val` or `test` (or `valid`, `validation`, …) with class folders in
    them, they are the data's own split. Hidden files are ignored; so are links that lead back up. Labels that
    look like numbers are classes, unless a task is asked for. To embed, files may lie in the folder itself.

    Raises:
        DatasetError: it is not laid out so, or cannot be read.
    """
    if any((*wanted.text, wanted.label, wanted.split_column, wanted.sheet)):
        raise DatasetError(f"{root} is a folder: --text, --label, --split-column and --sheet are for tables.")
    try:
        if wanted.task is Task.EMBED:
            return _unlabelled(root)
        parts = _parts(_folders(root))
        tops: dict[Path, Part | None] = {**parts} or {root: None}
        below = [path for top in tops for folder in _folders(top) for path in files(folder)]
        kind = _kind(below or list(files(root)))
        samples: list[Sample] = []
        beside = 0
        for top, part in tops.items():
            _refuse_loose_samples(top, kind)
            for folder in _folders(top):
                found = list(files(folder))
                meant = [path for path in found if _is_meant(path, kind)]
                beside += len(found) - len(meant)
                if not meant:
                    raise DatasetError(
                        f"{folder} holds no {kind.plural}. Remove the folder, or put {kind.plural} into it."
                    )
                samples += [Sample(_ref(path, root), folder.name, part, path) for path in meant]
    except OSError as fault:
        raise DatasetError(f"{fault.filename} cannot be read ({fault.strerror}). Check its permissions.") from None
    samples.sort(key=lambda sample: sample.ref)
    return Dataset(str(root), tuple(samples), _notes(kind, beside), kind, task=wanted.task or Task.CLASSIFY)


def _unlabelled(root: Path) -> Dataset:
    found = list(files(root))
    kind = _kind(found)
    samples = [Sample(_ref(path, root), "", None, path) for path in found if _is_meant(path, kind)]
    notes = _notes(kind, len(found) - len(samples))
    return Dataset(str(root), tuple(sorted(samples, key=lambda s: s.ref)), notes, kind, task=Task.EMBED)


def _notes(kind: Kind, beside: int) -> tuple[str, ...]:
    notes = [f"the samples are {kind.plural}"] if kind is Kind.TEXT else []
    if beside:
        odd = "no pictures (.txt, .json, …)" if kind is Kind.IMAGE else "no texts (not .txt)"
        notes.append(f"{beside} files that are clearly {odd} were passed over.")
    return tuple(notes)


def _kind(found: list[Path]) -> Kind:
    """Say what the samples are: by their names, else by the content of the first files."""
    pictures = sum(path.suffix.lower() in PICTURE for path in found)
    texts = sum(path.suffix.lower() in TEXT for path in found)
    if pictures or texts:
        return Kind.TEXT if texts > pictures else Kind.IMAGE
    plain = [path for path in found if path.suffix.lower() not in BESIDE and path.is_file()][:LOOKED_AT]
    return Kind.TEXT if plain and all(map(_reads_as_text, plain)) else Kind.IMAGE


def _reads_as_text(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.decode(errors="ignore")  # the cut may halve the last character
    return sniff(head) is None and b"\0" not in head and len(head) - len(text.encode()) < 4 and bool(text.strip())


def _is_meant(path: Path, kind: Kind) -> bool:
    suffix = path.suffix.lower()
    if kind is Kind.TEXT:
        return suffix in TEXT or (suffix not in PICTURE and suffix not in BESIDE)
    return suffix not in BESIDE


def _parts(folders: list[Path]) -> dict[Path, Part]:
    """Return the part of each folder if they are a split; nothing if they are classes."""
    parts = {folder: PART_NAMES[folder.name.lower()] for folder in folders if folder.name.lower() in PART_NAMES}
    if len(parts) < 2 or Part.TRAIN not in parts.values() or not any(_folders(folder) for folder in parts):
        return {}
    if strange := [folder.name for folder in folders if folder not in parts]:
        raise DatasetError(
            f"{folders[0].parent} holds the split {', '.join(folder.name + '/' for folder in parts)} and also "
            f"{', '.join(strange)}. Move what is no part of the split away, or say it all in a CSV file."
        )
    return parts


def _refuse_loose_samples(top: Path, kind: Kind) -> None:
    suffixes = PICTURE if kind is Kind.IMAGE else TEXT
    loose = [path for path in visible(top) if path.suffix.lower() in suffixes and path.is_file()]
    # A README.txt beside the class folders is no sample.
    if not loose or (kind is Kind.TEXT and _folders(top)):
        return
    tables = [path for path in visible(top) if path.suffix.lower() in (".csv", ".tsv")]
    hint = f"If {tables[0].name} names them, give it: finetune {tables[0]}. " if tables else ""
    raise DatasetError(
        f"{len(loose):,} {kind.plural} lie directly in {top} ({loose[0].name}, …), so their class is not known. {hint}"
        f"Put each {kind.plural[:-1]} into a folder called after its class."
    )


def _folders(top: Path) -> list[Path]:
    return [path for path in visible(top) if path.is_dir()]


def _ref(path: Path, root: Path) -> str:
    """Return `path` below `root` as text, whatever bytes are in it."""
    return shown(path.relative_to(root))
