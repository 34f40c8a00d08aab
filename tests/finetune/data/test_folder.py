"""Folders as datasets: classes, splits, kinds, and layouts that are refused."""

import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from finetune.data.dataset import SplitPart
from finetune.data.load import load_dataset
from graft.errors import DatasetError, GraftError
from tests.support.class_folders import fill
from tests.support.fakes import picture


def test_class_folders_become_labels(photos: Path) -> None:
    dataset = load_dataset(str(photos))
    assert dataset.labels == ("blue", "green", "red")
    assert len(dataset.samples) == 24
    assert dataset.samples[0].ref == os.path.join("blue", "00.png")
    assert dataset.samples[0].read() == (photos / "blue" / "00.png").read_bytes()
    assert {sample.part for sample in dataset.samples} == {None}


def test_nested_folders_belong_to_their_class(photos: Path) -> None:
    (photos / "red" / "more" / "deep").mkdir(parents=True)
    (photos / "red" / "more" / "deep" / "x.png").write_bytes(picture())
    assert Counter(sample.label for sample in load_dataset(str(photos)).samples)["red"] == 9


def test_hidden_and_non_image_files_are_skipped(photos: Path) -> None:
    (photos / "red" / ".DS_Store").write_bytes(b"x")
    (photos / ".git").mkdir()
    (photos / "__MACOSX").mkdir()
    (photos / "red" / "Thumbs.db").write_bytes(b"x")
    (photos / "red" / "about.txt").write_text("red things")
    (photos / "README.md").write_text("photos")
    dataset = load_dataset(str(photos))
    assert len(dataset.samples) == 24
    assert "1 files" in dataset.notes[0]


def test_unknown_file_types_are_left_to_the_decoder(photos: Path) -> None:
    for name in ("a.heic", "b", "c.pdf"):
        (photos / "red" / name).write_bytes(b"x")
    assert len(load_dataset(str(photos)).samples) == 27


def test_symlinks_are_followed_without_cycles(photos: Path, tmp_path: Path) -> None:
    (photos / "red" / "loop").symlink_to(photos / "red")
    (photos / "red" / "up").symlink_to(photos)
    other = fill(tmp_path / "other")
    (photos / "green" / "more").symlink_to(other / "green")
    counts = Counter(sample.label for sample in load_dataset(str(photos)).samples)
    assert counts["green"] == 16
    # Through `up` the other classes' folders lie in red once more: links mean what they say.
    assert counts["blue"] == 8


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "testing")])
def test_split_folders_are_kept(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for at, name in enumerate(names):
        fill(tmp_path / "data" / name, each=2, first=2 * at)
    dataset = load_dataset(str(tmp_path / "data"))
    assert dataset.labels == ("blue", "green", "red")
    assert Counter(sample.part for sample in dataset.samples) == dict.fromkeys(SplitPart, 6)


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    for name in ("train", "bus", "test"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "data" / name / f"{number}.png").write_bytes(picture())
    assert load_dataset(str(tmp_path / "data")).labels == ("bus", "test", "train")


def empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def gone(root: Path) -> None:
    shutil.rmtree(root)


def one_class(root: Path) -> None:
    for name in ("green", "blue"):
        shutil.rmtree(root / name)


def one_image(root: Path) -> None:
    for path in sorted((root / "red").iterdir())[1:]:
        path.unlink()


def no_image(root: Path) -> None:
    for path in (root / "red").iterdir():
        path.rename(path.with_suffix(".txt"))


def twins_in_case(root: Path) -> None:
    shutil.copytree(root / "red", root / "Red")


def twins_in_form(root: Path) -> None:
    for form in ("NFC", "NFD"):
        shutil.copytree(root / "red", root / unicodedata.normalize(form, "rosé"))


def loose(root: Path) -> None:
    (root / "x.jpg").write_bytes(picture(format="JPEG"))


def loose_with_table(root: Path) -> None:
    loose(root)
    (root / "labels.csv").write_text("path,label\nx.jpg,red\n")


def stray(root: Path) -> None:
    for name in ("train", "test"):
        fill(root / name)


def not_text(root: Path) -> None:
    os.rename(os.fsencode(root / "red"), os.fsencode(root) + b"/r\xe9d")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (empty, ("holds no images", "class folders")),
        (gone, ("no folder or file", "sample:digits")),
        (one_class, ("only one class, 'red'", "two or more")),
        (one_image, ("'red' has 1", "at least 3")),
        (no_image, ("red holds no images",)),
        (twins_in_case, ("'Red'", "'red'", "only in case")),
        (twins_in_form, ("ros\\xe9", "rose\\u0301", "Unicode normal form")),
        (loose, ("1 images lie directly in", "x.jpg")),
        (loose_with_table, ("finetune", "labels.csv")),
        (stray, ("train/", "blue, green, red")),
        (not_text, ("not UTF-8",)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_unusable_folder_is_refused_with_a_reason(photos: Path, damage, words: tuple[str, ...]) -> None:
    damage(photos)
    with pytest.raises(DatasetError) as error:
        load_dataset(str(photos))
    for word in (*words, str(photos)):
        assert word in str(error.value)


def test_unknown_builtin_dataset_error_names_the_known_ones() -> None:
    with pytest.raises(GraftError, match="sample:digits, sample:mnist and sample:reuters-r8"):
        load_dataset("sample:flowers")
