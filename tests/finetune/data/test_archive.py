"""Archives as datasets: the same samples as from the folder, and hostile archives are refused."""

import gc
import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.data import safe_extract
from finetune.data.dataset import Dataset, SplitPart
from finetune.data.load import load_dataset
from finetune.data.safe_extract import SafeExtractor, is_case_insensitive
from finetune.recipe import Recipe
from graft.bundle.open_bundle import open_bundle
from graft.errors import DatasetError
from graft.progress import SilentProgress
from graft.storage.cache_root import cache_root
from graft.storage.scratch import ScratchFolder
from tests.support.class_folders import fill, noisy
from tests.support.commands import RunCommand

PNG = noisy((200, 40, 40), 1)
TARS = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def zipped(folder: Path, path: Path, under: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, under + file.relative_to(folder).as_posix())
    return path


def tarred(folder: Path, path: Path, mode: str = "w", under: str = "") -> Path:
    with tarfile.open(path, mode) as archive:
        for entry in sorted(folder.iterdir()):
            archive.add(entry, under + entry.name)
    return path


def contents(dataset: Dataset) -> list[tuple[str, str, bytes]]:
    return [(sample.ref, sample.label, sample.read()) for sample in dataset.samples]


@pytest.mark.parametrize("ending", ["zip", *TARS, "ZIP", "Tar.GZ"])
def test_archive_loads_like_its_folder(photos: Path, ending: str) -> None:
    path = photos.parent / f"pictures.{ending}"
    kind = ending.lower()
    zipped(photos, path) if kind == "zip" else tarred(photos, path, TARS[kind])
    dataset = load_dataset(str(path))
    assert contents(dataset) == contents(load_dataset(str(photos)))
    assert dataset.source == str(path)
    assert Recipe(data=str(path)).name == "pictures"


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archive_enters_a_single_top_folder_and_skips_system_files(photos: Path, pack) -> None:
    root = photos.parent / "root"
    root.mkdir()
    photos.rename(root / "photos")
    for beside in ("__MACOSX/photos/red/._00.png", "photos/red/.DS_Store", "photos/red/Thumbs.db", ".git/config"):
        (root / beside).parent.mkdir(parents=True, exist_ok=True)
        (root / beside).write_bytes(b"x")
    assert contents(
        load_dataset(str(pack(root, photos.parent / "a.zip" if pack is zipped else photos.parent / "a.tar")))
    ) == (contents(load_dataset(str(root / "photos"))))


def test_archive_keeps_its_train_val_test_split(tmp_path: Path) -> None:
    for at, name in enumerate(("train", "val", "test")):
        fill(tmp_path / "data" / name, each=2, first=2 * at)
    dataset = load_dataset(str(zipped(tmp_path / "data", tmp_path / "data.zip", under="data/")))
    assert {sample.part for sample in dataset.samples} == set(SplitPart)


def test_archive_with_a_table_of_paths(photos: Path) -> None:
    rows = [f"{name}/{n:02}.png,{name[0]}" for name in ("red", "green") for n in range(8)]
    (photos / "labels.csv").write_text("\n".join(["path,label", *rows]))
    dataset = load_dataset(str(zipped(photos, photos.parent / "a.zip", under="photos/")))
    assert dataset.labels == ("g", "r")
    assert len(dataset.samples) == 16
    assert dataset.samples[0].read() == (photos / "green" / "00.png").read_bytes()


def test_archive_with_a_table_of_texts(photos: Path) -> None:
    folder = photos.parent / "texts"
    folder.mkdir()
    (folder / "t.csv").write_text("\n".join(["text,label", *(f"so good {n},a\nso bad {n},b" for n in range(4))]))
    assert len(load_dataset(str(zipped(folder, photos.parent / "t.zip"))).samples) == 8
    (photos / "classes.csv").write_text("label,colour\nred,1\ngreen,2\n")
    assert load_dataset(str(zipped(photos, photos.parent / "a.zip"))).labels == ("blue", "green", "red")
    (folder / "u.csv").write_text("text,label\na,b\n")
    with pytest.raises(DatasetError, match=r"t2\.zip holds several tables: t\.csv, u\.csv"):
        load_dataset(str(zipped(folder, photos.parent / "t2.zip")))


def test_archive_table_may_not_name_files_outside(photos: Path) -> None:
    ours = photos.parent / "ours.png"
    ours.write_bytes(PNG)
    rows = [f"red/{n:02}.png,red\ngreen/{n:02}.png,green" for n in range(8)]
    up = os.path.relpath(ours, cache_root() / "scratch" / "x")
    (photos / "labels.csv").write_text("\n".join(["path,label", *rows, f"{ours},red", f"{up},red"]))
    dataset = load_dataset(str(zipped(photos, photos.parent / "a.zip")))
    assert sorted(bad.ref for bad in dataset.skipped_samples) == sorted((str(ours), up))
    assert len(dataset.samples) == 16


@pytest.mark.parametrize("ending", ["rar", "7Z", "csv.gz"])
def test_archive_of_an_unsupported_format_is_refused(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"data.{ending}").write_bytes(b"Rar!")
    with pytest.raises(DatasetError, match=r"pack it as zip or tar\.gz"):
        load_dataset(str(tmp_path / f"data.{ending}"))


def test_empty_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(zip_of())
    with pytest.raises(DatasetError, match=r"data\.zip holds no images"):
        load_dataset(str(tmp_path / "data.zip"))


def test_archive_scratch_lives_as_long_as_its_samples(photos: Path) -> None:
    sample = load_dataset(str(zipped(photos, photos.parent / "a.zip"))).samples[0]
    gc.collect()
    folder = sample.source.parent
    assert sample.read() == (photos / "blue" / "00.png").read_bytes()
    del sample
    gc.collect()
    assert not folder.exists()
    assert list((cache_root() / "scratch").iterdir()) == []


def test_archive_trains_a_bundle_and_leaves_nothing_behind(photos: Path, finetune: RunCommand) -> None:
    error = finetune(tarred(photos, photos.parent / "photos.tar.gz", "w:gz", under="photos/"))
    assert error.code == 0, error.err
    manifest = open_bundle(photos.parent / "models" / "photos" / "1").manifest
    assert manifest.data["source"] == "photos.tar.gz"
    gc.collect()
    assert list((cache_root() / "scratch").iterdir()) == []


# What means harm


def zip_of(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    return info


def twice() -> bytes:
    return zip_of(("red/1.png", PNG), ("red/2.png", PNG)).replace(b"red/2.png", b"red/1.png")


def encrypted() -> bytes:
    data = bytearray(zip_of(("red/1.png", PNG)))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def of_size(promised: int) -> bytes:
    """A zip whose entry says to have another size than it has."""
    data = bytearray(zip_of(("red/1.png", PNG), method=zipfile.ZIP_STORED))
    for mark, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = data.index(mark) + at
        data[start : start + 4] = promised.to_bytes(4, "little")
    return bytes(data)


def changed() -> bytes:
    data = bytearray(zip_of(("red/1.png", PNG), method=zipfile.ZIP_STORED))
    data[60] ^= 1
    return bytes(data)


def tar_of(*entries: tarfile.TarInfo | str, mode: str = "w", format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=format) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
            if info.isreg():
                info.size = len(PNG)
            archive.addfile(info, io.BytesIO(PNG) if info.isreg() else None)
    return file.getvalue()


def odd(type_: bytes, name: str = "red/odd.png", to: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, to
    return info


def holes() -> bytes:
    data = bytearray(tar_of("red/1.png", format=tarfile.GNU_FORMAT))
    data[156:157] = tarfile.GNUTYPE_SPARSE
    data[483:495] = b"77777777777\0"  # what it would be unpacked
    return checked(data)


def checked(data: bytearray) -> bytes:
    """The bytes with the checksum of their first header."""
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    return bytes(data)


def endless_header(type_: bytes) -> bytes:
    """A long name, or a list of attributes, of 8 GB as it says."""
    data = bytearray(tar_of("red/1.png"))
    data[124:136] = b"77777777777\0"
    data[156:157] = type_
    return checked(data)


def no_end() -> bytes:
    return tar_of("red/1.png", "red/2.png")[: 2 * (512 + 512 * -(-len(PNG) // 512))]


def no_header() -> bytes:
    data = tar_of("red/1.png", "red/2.png")
    at = 512 + 512 * -(-len(PNG) // 512)
    return data[:at] + b"x" * 512 + data[at + 512 :]


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "zip absolute": ("zip", lambda: zip_of(("/tmp/x.png", PNG)), "absolute"),  # noqa: S108
    "zip drive": ("zip", lambda: zip_of(("C:/x.png", PNG)), "absolute"),
    "zip share": ("zip", lambda: zip_of(("\\\\host\\x.png", PNG)), "absolute"),
    "zip up": ("zip", lambda: zip_of(("../escaped.png", PNG)), "leads out"),
    "zip up further down": ("zip", lambda: zip_of(("red/../../escaped.png", PNG)), "leads out"),
    "zip up by backslash": ("zip", lambda: zip_of(("red\\..\\..\\escaped.png", PNG)), "leads out"),
    "zip hidden up": ("zip", lambda: zip_of((".git/../../escaped.png", PNG)), "leads out"),
    "zip link": ("zip", lambda: zip_of((special("red/1.png", stat.S_IFLNK), b"/etc/passwd")), "link or a device"),
    "zip link as folder": ("zip", lambda: zip_of((special("red/", stat.S_IFLNK), b"/etc")), "link or a device"),
    "zip device": ("zip", lambda: zip_of((special("red/1.png", stat.S_IFCHR), b"")), "link or a device"),
    "zip pipe": ("zip", lambda: zip_of((special("red/1.png", stat.S_IFIFO), b"")), "link or a device"),
    "zip file that is a folder": ("zip", lambda: zip_of((special("red", stat.S_IFDIR), b"")), "link or a device"),
    "zip encrypted": ("zip", encrypted, "'red/1.png' is encrypted"),
    "zip twice": ("zip", twice, "occurs twice"),
    "zip file and folder": ("zip", lambda: zip_of(("red", PNG), ("red/1.png", PNG)), "file and as a folder"),
    "zip folder and file": ("zip", lambda: zip_of(("red/1.png", PNG), ("red", PNG)), "occurs twice"),
    "zip method": ("zip", lambda: zip_of(("red/1.png", PNG), method=zipfile.ZIP_LZMA), "compressed with method 14"),
    "zip deep": ("zip", lambda: zip_of(("a/" * 40 + "1.png", PNG)), "deeper than 32"),
    "zip long": ("zip", lambda: zip_of(("a" * 2000, PNG)), "over 1,024 letters"),
    "zip longer than a disk takes": ("zip", lambda: zip_of(("a" * 300, PNG)), "cannot be unpacked"),
    "zip shorter than it says": ("zip", lambda: of_size(len(PNG) + 9), "truncated, corrupt"),
    "zip longer than it says": ("zip", lambda: of_size(len(PNG) - 9), "truncated, corrupt"),
    "zip changed": ("zip", changed, "truncated, corrupt"),
    "zip cut": ("zip", lambda: zip_of(("red/1.png", PNG))[:-30], "truncated, corrupt"),
    "zip none": ("zip", lambda: b"no archive at all", "truncated, corrupt"),
    "tar absolute": ("tar", lambda: tar_of("/tmp/x.png"), "absolute"),  # noqa: S108
    "tar up": ("tar", lambda: tar_of("../escaped.png"), "leads out"),
    "tar link": ("tar", lambda: tar_of(odd(tarfile.SYMTYPE)), "is a link, a device"),
    "tar link out": ("tar", lambda: tar_of(odd(tarfile.SYMTYPE, "red", ".."), "red/x.png"), "is a link, a device"),
    "tar hard link": ("tar", lambda: tar_of("red/1.png", odd(tarfile.LNKTYPE, to="red/1.png")), "is a link, a device"),
    "tar pipe": ("tar", lambda: tar_of(odd(tarfile.FIFOTYPE)), "is a link, a device"),
    "tar device": ("tar", lambda: tar_of(odd(tarfile.CHRTYPE)), "is a link, a device"),
    "tar block device": ("tar", lambda: tar_of(odd(tarfile.BLKTYPE)), "is a link, a device"),
    "tar unknown": ("tar", lambda: tar_of(odd(b"?")), "is a link, a device"),
    "tar holes": ("tar", holes, "sparse file"),
    "tar twice": ("tar", lambda: tar_of("red/1.png", "red/1.png"), "occurs twice"),
    "tar twice by a dot": ("tar", lambda: tar_of("red/1.png", "./red/./1.png"), "occurs twice"),
    "tar over 1,024 letters": ("tar", lambda: endless_header(tarfile.GNUTYPE_LONGNAME), "headers of more than"),
    "tar endless attributes": ("tar", lambda: endless_header(tarfile.XHDTYPE), "headers of more than"),
    "tar without its end": ("tar", no_end, "its end marker is missing"),
    "tar with garbage": ("tar", no_header, "its end marker is missing"),
    "tar cut": ("tar", lambda: tar_of("red/1.png")[:700], "truncated, corrupt"),
    "tar none": ("tar", lambda: b"no archive at all", "truncated, corrupt"),
    "tar empty": ("tar", lambda: b"", "truncated, corrupt"),
    "gzip cut": ("tar.gz", lambda: tar_of("red/1.png", mode="w:gz")[:-40], "truncated, corrupt"),
    "gzip changed": ("tar.gz", lambda: flip(tar_of("red/1.png", mode="w:gz")), "truncated, corrupt"),
    "bzip2 cut": ("tar.bz2", lambda: tar_of("red/1.png", mode="w:bz2")[:-40], "truncated, corrupt"),
    "xz cut": ("tar.xz", lambda: tar_of("red/1.png", mode="w:xz")[:-40], "truncated, corrupt"),
}


def flip(data: bytes) -> bytes:
    return data[:300] + bytes([data[300] ^ 0x55]) + data[301:]


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if cache_root() not in path.parents}


def refused(path: Path, data: bytes) -> str:
    """What the user is told; and nothing is left of the archive, inside of the cache or out of it."""
    path.write_bytes(data)
    before = everything(path.parent.parent)
    with pytest.raises(DatasetError) as error:
        load_dataset(str(path))
    assert everything(path.parent.parent) - before <= {cache_root()}
    assert list((cache_root() / "scratch").iterdir()) == []
    assert str(path) in str(error.value)
    assert str(cache_root()) not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    ending, make, words = HOSTILE[name]
    (tmp_path / "deep").mkdir()
    assert words in refused(tmp_path / "deep" / f"data.{ending}", make())


@pytest.mark.parametrize(
    ("ending", "make"),
    [("zip", lambda: zip_of(*((f"red/{n}.png", bytes(5000)) for n in range(9)))), ("tar.gz", lambda: bomb(9, 5000))],
)
def test_archive_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, make) -> None:
    path = tmp_path / f"bomb.{ending}"
    monkeypatch.setattr(safe_extract, "ALWAYS_ALLOWED_BYTES", 20_000)
    monkeypatch.setattr(safe_extract, "MAX_COMPRESSION_RATIO", 1)
    assert "would extract to more than 20,000 bytes" in refused(path, make())
    monkeypatch.setattr(
        safe_extract, "MAX_COMPRESSION_RATIO", 1000
    )  # it is small, and this many times that is more than it becomes
    assert "would become" not in refused_or_not(path)
    monkeypatch.setattr(safe_extract, "MAX_EXTRACTED_BYTES", 30_000)
    assert "would extract to more than 30,000 bytes" in refused(path, make())


def bomb(files: int, size: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for number in range(files):
            info = tarfile.TarInfo(f"red/{number}.png")
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)))
    return file.getvalue()


def refused_or_not(path: Path) -> str:
    try:
        load_dataset(str(path))
    except DatasetError as error:
        return str(error)
    return ""


def test_archive_bomb_in_skipped_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_extract, "ALWAYS_ALLOWED_BYTES", 20_000)
    monkeypatch.setattr(safe_extract, "MAX_COMPRESSION_RATIO", 1)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo(".hidden")
        info.size = 5 << 20
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    assert "would extract to more" in refused(tmp_path / "bomb.tar.gz", file.getvalue())


def test_archive_bomb_with_a_false_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that are read are counted, too: here the declared size is not even looked at."""
    monkeypatch.setattr(safe_extract, "ALWAYS_ALLOWED_BYTES", 20_000)
    monkeypatch.setattr(safe_extract, "MAX_COMPRESSION_RATIO", 1)
    monkeypatch.setattr(SafeExtractor, "check_totals", lambda *_: None)
    zipped_bytes = zip_of(*((f"red/{n}.png", bytes(5000)) for n in range(9)))
    assert "would extract to more than 20,000 bytes" in refused(tmp_path / "bomb.zip", zipped_bytes)


@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_archive_with_too_many_or_too_large_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    data = zip_of(*((f"red/{n}.png", PNG) for n in range(5))) if ending == "zip" else tar_of("a", "b", "c", "d", "e")
    monkeypatch.setattr(safe_extract, "MAX_ENTRIES", 4)
    assert "more than 4 files and folders" in refused(tmp_path / f"many.{ending}", data)
    monkeypatch.setattr(safe_extract, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(safe_extract, "MAX_BYTES_PER_SAMPLE", 99)
    assert "at most 99 are allowed for one sample" in refused(tmp_path / f"large.{ending}", data)


def test_archive_folders_count_as_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_extract, "MAX_ENTRIES", 40)
    data = zip_of(*((f"{n}/" + "a/" * 20 + "1.png", PNG) for n in range(3)))
    assert "more than 40" in refused(tmp_path / "deep.zip", data)


@pytest.mark.parametrize("twin", ["Red/1.png", "red/1.PNG", "RED"])
def test_archive_names_that_differ_only_in_case_are_refused(tmp_path: Path, twin: str) -> None:
    read = io.BytesIO(PNG).read
    strict = (
        SafeExtractor(tmp_path / "a.zip", tmp_path, SilentProgress(), case_insensitive=True)
        if touch(tmp_path / "a.zip")
        else None
    )
    strict.write_file(("red", "1.png"), 9, read)
    strict.write_file(("red", "2.png"), 9, read)
    with pytest.raises(DatasetError, match="are the same name on this disk"):
        strict.write_file(tuple(twin.split("/")), 9, read)
    assert is_case_insensitive(tmp_path) is (tmp_path / "RED").exists()


def touch(path: Path) -> bool:
    path.touch()
    return True


def test_archive_names_without_the_utf8_flag_are_read_as_utf8(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    (tmp_path / "data" / "red").rename(tmp_path / "data" / "rød")
    path = zipped(tmp_path / "data", tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            data[start + at] &= ~0x08
    path.write_bytes(data)
    assert load_dataset(str(path)).labels == ("blue", "green", "rød")


def test_archive_scratch_of_killed_processes_is_swept(tmp_path: Path) -> None:
    script = """
import os
from graft.storage.scratch import ScratchFolder
mine = ScratchFolder()
print(mine.path, flush=True)
os.kill(os.getpid(), 9)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL
    left = Path(ran.stdout.strip())
    assert left.is_dir()
    mine, other = ScratchFolder(), ScratchFolder()
    assert not left.exists()
    assert mine.path.is_dir()
    other.remove()
    assert not other.path.exists()
    mine.remove()
    assert list((cache_root() / "scratch").iterdir()) == []


def test_archive_unpacks_elsewhere_without_a_cache(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos.parent / "file").write_text("in the way")
    monkeypatch.setenv("GRAFT_CACHE", str(photos.parent / "file"))
    assert len(load_dataset(str(zipped(photos, photos.parent / "a.zip"))).samples) == 24
