"""Tables of texts as datasets: their columns, and tables that are refused."""

import json
from pathlib import Path

import pytest

from finetune.data.dataset import DataKind, DataOptions, SplitPart
from finetune.data.load import load_dataset
from finetune.data.task import Task
from graft.errors import DatasetError
from tests.support.table_files import RECORDS, ROWS, jsonl


def test_text_table_becomes_samples(tmp_path: Path) -> None:
    dataset = load_dataset(str(jsonl(tmp_path)))
    assert [(sample.read().decode(), sample.label) for sample in dataset.samples] == ROWS
    assert (dataset.kind, dataset.texts_per_sample, dataset.task, dataset.skipped_samples) == (
        DataKind.TEXT,
        1,
        Task.CLASSIFY,
        (),
    )


def test_text_table_columns_are_reported(tmp_path: Path) -> None:
    assert load_dataset(str(jsonl(tmp_path))).notes == ('text: "review", label: "stars"',)


def load_csv(tmp_path: Path, text: str | bytes, /, **options):
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_dataset(str(tmp_path / "t.csv"), DataOptions(**options))


TABLE = "id,title,body,mood,set\n" + "".join(
    f"{n},title {n},the long body of number {n},{'xyz'[n % 3]},{'train' if n < 6 else 'test'}\n" for n in range(9)
)


def test_text_table_columns_are_named_case_insensitively(tmp_path: Path) -> None:
    dataset = load_csv(tmp_path, TABLE, text=("Title",), label="MOOD", split_column="set")
    assert dataset.samples[0].read() == b"title 0"
    assert [sample.part for sample in dataset.samples] == [SplitPart.TRAIN] * 6 + [SplitPart.TEST] * 3


def test_text_table_with_two_text_columns_gives_pairs(tmp_path: Path) -> None:
    dataset = load_csv(tmp_path, TABLE, text=("title", "body"), label="mood")
    assert dataset.texts_per_sample == 2
    assert json.loads(dataset.samples[1].read()) == ["title 1", "the long body of number 1"]
    assert load_csv(tmp_path, TABLE.replace("title,body", "premise,hypothesis"), label="mood").texts_per_sample == 2


def test_text_table_label_column_is_found_by_its_content(tmp_path: Path) -> None:
    assert load_csv(tmp_path, TABLE).labels == ("x", "y", "z")


def test_text_table_needs_no_label_to_embed(tmp_path: Path) -> None:
    dataset = load_csv(tmp_path, "text\nthe first\nthe second\n", task=Task.EMBED)
    assert [sample.label for sample in dataset.samples] == ["", ""]


def test_text_table_rows_without_label_or_text_are_skipped(tmp_path: Path) -> None:
    dataset = load_csv(tmp_path, "text,label\n" + "some words,a\nother words,b\n" * 3 + "words,\n,a\n\na, b, c\n")
    assert len(dataset.samples) == 6
    assert [(bad.ref, bad.reason.split(".")[0].split(",")[0]) for bad in dataset.skipped_samples] == [
        ("line 8", "the label is missing"),
        ("line 9", "the text is missing"),
        ("line 11", "it has 3 cells"),
    ]


def test_text_table_row_with_a_lone_surrogate_is_skipped(tmp_path: Path) -> None:
    lines = [*map(json.dumps, RECORDS), '{"review": "half \\ud800", "stars": "a"}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    dataset = load_dataset(str(tmp_path / "t.jsonl"))
    assert len(dataset.samples) == len(ROWS)
    assert "surrogate" in dataset.skipped_samples[0].reason


ENOUGH = "the cat rose,a\nthe dog fell,b\n"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (TABLE, {"text": ("boody",)}, ["no column 'boody'", "--text", "'body'", "'id', 'title'"]),
        (TABLE, {"label": "mod"}, ["no column 'mod'", "--label", "'mood'"]),
        (TABLE, {"split_column": "mood"}, ["line 2", "'x'", "train, val"]),
        (TABLE, {"sheet": "1"}, ["--sheet", "Excel"]),
        ("text,text,label\nthe cat,a dog,x\n", {}, ["2 columns called 'text'", "1 and 2"]),
        ("text,label\n" + "the cat rose,a\n" * 5, {}, ["only one class, 'a'"]),
        ("text,label\nthe cat rose,a\n", {}, ["only one class"]),
        ("text,label\n" + ENOUGH, {}, ["'a' has 1, 'b' has 1", "at least 3"]),
        ("text,label\nthe cat,\nthe dog,\n", {}, ["no usable row", "line 2", "label is missing"]),
        ("text,label\n", {}, ["no rows"]),
        (b"text,label\nthe cat,a\ncaf\xe9 noir,b\n", {}, ["line 3", "UTF-8", "0xe9"]),
        ("one,two,three\nthe cat sat,a dog ran,the fish swam\n", {}, ["--text", "'one', 'two', 'three'"]),
        ("text,a,b\nthe cat sat,1,2\n", {}, ["--label", "'text', 'a', 'b'"]),
        ("text,label\n" + "the cat,4\n" * 9, {"task": Task.REGRESS}, ["every label is 4"]),
        ("text,label\n" + ENOUGH, {"task": Task.REGRESS}, ["the label 'a'", "--task classify"]),
        ("text,label\nthe cat,4\n", {"task": Task.REGRESS}, ["1 samples", "at least 3"]),
    ],
)
def test_unusable_text_table_is_refused_with_a_reason(
    tmp_path: Path, text: str | bytes, options: dict, words: list[str]
) -> None:
    with pytest.raises(DatasetError) as error:
        load_csv(tmp_path, text, **options)
    for word in (*words, "t.csv"):
        assert word in str(error.value)
