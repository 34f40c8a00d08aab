"""Tables of image paths as datasets."""

from pathlib import Path

import pytest

from finetune.data.dataset import SplitPart
from finetune.data.load import load_dataset
from graft.errors import DatasetError

PATHS = [f"{name}/{number:02}.png" for name in ("red", "green") for number in range(3)]


def table(photos: Path, header: str, row: str, *, sep: str = ",", encoding: str = "utf-8") -> str:
    rows = [row.format(path=path, label=path.split("/")[0]) for path in PATHS]
    text = "\n".join([header, *rows] if header else rows).replace(",", sep) + "\n"
    (photos / "t.csv").write_text(text, encoding=encoding)
    return str(photos / "t.csv")


@pytest.mark.parametrize(
    ("header", "row", "options"),
    [
        ("path,label", "{path},{label}", {}),
        ("Label,File_Name,width", "{label},{path},24", {}),
        ("Datei,Farbe", "{path},{label}", {}),
        ("path;label", "{path};{label}", {}),
        ("path,label", "{path},{label}", {"sep": "\t"}),
        ("path,label", "{path},{label}", {"encoding": "utf-8-sig"}),
        ("path,label", '"{path}", {label} \n', {}),
        ("", "{path},{label}", {}),
    ],
    ids=["plain", "order", "by content", "semicolon", "tab", "bom", "quotes and blanks", "no header"],
)
def test_image_table_columns_are_found(photos: Path, header: str, row: str, options: dict) -> None:
    dataset = load_dataset(table(photos, header, row, **options))
    assert dataset.labels == ("green", "red")
    assert len(dataset.samples) == len(PATHS)
    assert all(sample.read() == (photos / sample.ref).read_bytes() for sample in dataset.samples)


def test_image_table_split_column_is_kept(photos: Path) -> None:
    rows = [
        f"{path},{path.split('/')[0]},{part}" for path, part in zip(PATHS, ["train", "VALID", "test"] * 2, strict=True)
    ]
    (photos / "t.csv").write_text("\n".join(["path,label,split", *rows]))
    assert [sample.part for sample in load_dataset(str(photos / "t.csv")).samples] == [
        SplitPart.TRAIN,
        SplitPart.VAL,
        SplitPart.TEST,
    ] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", ["is empty"]),
        (b"path,label\n", ["no rows"]),
        (b"a,b,c\nx,y,z\n", ["the path of an image", "'a', 'b', 'c'", "'path'"]),
        (b"path,a,b\nx.png,1,2\n", ["the label of a sample", "'label'"]),
        (b"path,label,split\nx.png,red,holdout\n", ["line 2", "'holdout'", "train, val"]),
        (b"path,label\nx.png,\n", ["line 2", "missing"]),
        (b"path,label\nx.png\n", ["line 2", "missing"]),
        (b"path,label\n\xff\xfe,red\n", ["UTF-8"]),
        (b'path,label\n"x.png,red\n', ["not a readable CSV file"]),
        (b"path,label\na.png,red\nb.png,Red\n", ["only in case"]),
        (b"path,label\na.png,red\nb.png,red\n", ["only one class"]),
    ],
)
def test_unusable_image_table_is_refused_with_a_reason(tmp_path: Path, text: bytes, words: list[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(DatasetError) as error:
        load_dataset(str(path))
    for word in (*words, str(path)):
        assert word in str(error.value)
