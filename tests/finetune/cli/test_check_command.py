import csv
import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from finetune.cli.check import check
from finetune.data.dataset import DataKind, LabeledSample, SplitPart
from finetune.data.task import Task
from finetune.doctor.findings import DuplicateGroup, Findings
from finetune.doctor.fix import rows_to_drop
from tests.support.class_folders import fill
from tests.support.commands import RunCommand
from tests.support.finetune.text_folders import table, texts
from tests.support.html_page import EVIL, Page


def everything(folder: Path) -> dict[str, str]:
    """Every file below a folder, with the hash of its content."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    """A split of its own with one of everything that is wrong."""
    root = tmp_path / "dirty"
    for at, part in enumerate(("train", "val", "test")):
        fill(root / part, each=8, first=8 * at)
    train, test = root / "train", root / "test"
    (train / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"x" * 50)
    whole = (train / "red" / "00.png").read_bytes()
    (train / "red" / "truncated.png").write_bytes(whole[:200])
    shutil.copy(train / "red" / "00.png", train / "red" / "mistyped.jpg")
    shutil.copy(train / "red" / "01.png", train / "green" / "contradicts.png")
    shutil.copy(test / "blue" / "16.png", train / "blue" / "leak.png")
    (train / "red" / "02.png").rename(train / "green" / "mislabelled.png")
    return root


def test_check_finds_every_planted_fault(finetune: RunCommand, dirty: Path) -> None:
    before = everything(dirty)
    said = finetune("check", dirty, "--json")
    found = json.loads(said.out)
    assert said.code == 0
    assert {one["ref"] for one in found["unusable"]} == {"train/red/broken.jpg", "train/red/truncated.png"}
    assert found["misnamed"] == ["train/red/mistyped.jpg"]
    copies = [{one["ref"] for one in group["samples"]} for group in found["exact_copies"]]
    assert {"train/red/00.png", "train/red/mistyped.jpg"} in copies
    (odd,) = found["contradictions"]
    assert {(one["ref"], one["label"]) for one in odd["samples"]} == {
        ("train/red/01.png", "red"),
        ("train/green/contradicts.png", "green"),
    }
    assert any(
        {("test/blue/16.png", "test"), ("train/blue/leak.png", "train")}
        <= {(one["ref"], one["part"]) for one in group["samples"]}
        for group in found["leaks"]
    )
    suspects = {one["ref"]: one for one in found["label_errors"]["found"]}
    assert suspects["train/green/mislabelled.png"]["suggested"] == "red"
    assert suspects["train/green/mislabelled.png"]["label"] == "green"
    assert found["balance"] == {"red": 24, "green": 26, "blue": 25}
    assert found["counts"]["unusable"] == 2
    assert everything(dirty) == before


def test_check_prints_a_table_with_first_examples(finetune: RunCommand, dirty: Path) -> None:
    said = finetune("check", dirty)
    assert said.code == 0
    for word in (
        "unusable               2  cannot be read",
        "train/red/01.png (red)",
        "mislabelled.png",
        "looks like red",
        "test/blue/16.png (test)",
        "--html check.html --fix clean.csv",
    ):
        assert word in said.out, said.out


def test_check_fix_writes_a_clean_manifest_that_trains(finetune: RunCommand, dirty: Path, tmp_path: Path) -> None:
    before = everything(dirty)
    said = finetune("check", dirty, "--fix", tmp_path / "clean" / "m.csv", "--json")
    fixed = json.loads(said.out)["fix"]
    assert everything(dirty) == before
    kept = rows(tmp_path / "clean" / "m.csv")
    names = {row["path"] for row in kept}
    gone = {"broken.jpg", "truncated.png", "mistyped.jpg", "contradicts.png", "leak.png"}
    assert not gone & {Path(name).name for name in names}
    assert "../dirty/train/red/01.png" not in names  # who of the two is right is not known
    assert {"../dirty/test/blue/16.png", "../dirty/train/red/00.png"} <= names
    (suspect,) = [row for row in kept if row["path"].endswith("mislabelled.png")]
    assert (suspect["label"], suspect["suspect"]) == ("green", "red")  # marked, not changed
    assert fixed["kept"] == len(kept)
    trained = json.loads(finetune(*fixed["command"].split()[1:], "--json").out)
    assert trained["labels"] == ["blue", "green", "red"]
    assert sum(trained["counts"].values()) == len(kept)
    assert trained["counts"]["test"] == sum(row["split"] == "test" for row in kept)
    again = json.loads(finetune("check", tmp_path / "clean" / "m.csv", "--json").out)
    assert [again[what] for what in ("unusable", "misnamed", "exact_copies", "contradictions")] == [[], [], [], []]


def test_clean_manifest_drops_duplicates_leaks_and_contradictions() -> None:
    parts = (SplitPart.TRAIN, SplitPart.TEST, SplitPart.VAL, SplitPart.TRAIN, None, None, *[SplitPart.TRAIN] * 20)
    samples = tuple(LabeledSample(str(n), "a", part, b"") for n, part in enumerate(parts))
    found = Findings(
        source="made",
        kind=DataKind.IMAGE,
        texts_per_sample=1,
        task=Task.CLASSIFY,
        target="",
        samples=samples,
        skipped_samples=(),
        misnamed_files=(),
    )

    def left_out(**groups: tuple[DuplicateGroup, ...]) -> set[int]:
        return rows_to_drop(dataclasses.replace(found, **groups))

    assert left_out(exact_duplicates=(DuplicateGroup((0, 1, 2)), DuplicateGroup((4, 5)))) == {0, 2, 5}
    assert left_out(contradictions=(DuplicateGroup((0, 3)),)) == {0, 3}
    assert left_out(leaks=(DuplicateGroup((0, 1, 2, 3), 0.98),)) == {0, 2, 3}
    assert left_out(leaks=(DuplicateGroup((0, 2, 3), 0.98),)) == {0, 3}
    assert left_out(near_duplicates=(DuplicateGroup((0, 3), 0.98),)) == set()
    assert left_out(leaks=(DuplicateGroup((1, *range(6, 15)), 0.98),)) == {*range(6, 15)}
    assert left_out(leaks=(DuplicateGroup((1, *range(6, 16)), 0.98),)) == set()  # eleven: perhaps no copies at all


def test_clean_manifest_behind_a_symlink_finds_its_images(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    said = finetune("check", photos, "--fix", tmp_path / "link" / "m.csv")
    assert said.code == 0, said.err
    assert rows(tmp_path / "link" / "m.csv")[0]["path"].startswith("../../photos/")


def test_leak_is_kept_in_test_and_dropped_elsewhere(finetune: RunCommand, tmp_path: Path) -> None:
    for at, part in enumerate(("train", "val", "test")):
        fill(tmp_path / "data" / part, each=4, first=4 * at)
    for part in ("train", "val"):
        shutil.copy(tmp_path / "data" / "test" / "red" / "08.png", tmp_path / "data" / part / "red" / "leak.png")
    said = finetune("check", tmp_path / "data", "--fix", tmp_path / "m.csv")
    assert said.code == 0, said.err
    kept = [row["path"] for row in rows(tmp_path / "m.csv")]
    assert "data/test/red/08.png" in kept
    assert not any(name.endswith("leak.png") for name in kept)


def test_clean_manifest_keeps_texts_exactly(finetune: RunCommand, tmp_path: Path) -> None:
    given = texts(24)
    given[0] = ('good; "quoted", \tand\nof two lines', "good")
    given[5] = given[3]  # a copy
    data = tmp_path / "t.jsonl"
    data.write_text("\n".join(json.dumps({"review": text, "stars": label}) for text, label in given))
    said = finetune("check", data, "--fix", tmp_path / "clean.csv")
    assert said.code == 0, said.err
    kept = {(row["text"], row["label"]) for row in rows(tmp_path / "clean.csv")}
    assert kept == set(given)
    assert "22 samples" in said.out or "23 samples" in said.out
    assert finetune(tmp_path / "clean.csv", "--task", "classify").code == 0


def test_clean_manifest_works_for_pairs_and_text_folders(finetune: RunCommand, tmp_path: Path) -> None:
    asked = [(f"{text} {n}", text, label) for n, (text, label) in enumerate(texts(24))]
    said = finetune("check", table(tmp_path, "text_a,text_b,label", asked), "--fix", tmp_path / "pairs-clean.csv")
    assert said.code == 0, said.err
    assert {"text_a", "text_b", "label"} <= rows(tmp_path / "pairs-clean.csv")[0].keys()
    for number, (text, label) in enumerate(texts(12)):
        (tmp_path / "notes" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "notes" / label / f"{number}.txt").write_text(text)
    said = finetune("check", tmp_path / "notes", "--fix", tmp_path / "notes-clean.csv")
    assert said.code == 0, said.err
    assert {(row["text"], row["label"]) for row in rows(tmp_path / "notes-clean.csv")} == set(texts(12))


def test_clean_manifest_keeps_numbers_and_their_column_name(finetune: RunCommand, tmp_path: Path) -> None:
    data = table(tmp_path, "review,price", [(text, f"{n % 7 + 0.5}") for n, (text, _) in enumerate(texts(30))])
    said = finetune("check", data, "--task", "regress", "--fix", tmp_path / "m.csv", "--json")
    assert said.code == 0, said.err
    command = json.loads(said.out)["fix"]["command"]
    assert command.endswith("--task regress --label price")
    assert rows(tmp_path / "m.csv")[0].keys() >= {"text", "price"}


def test_check_without_labels_looks_only_for_duplicates(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "red" / "00.png", photos / "blue" / "copy.png")
    found = json.loads(finetune("check", photos, "--task", "embed", "--fix", tmp_path / "m.csv", "--json").out)
    assert len(found["exact_copies"]) == 1
    assert (found["contradictions"], found["label_errors"], found["balance"]) == ([], None, None)
    assert [*rows(tmp_path / "m.csv")[0]] == ["path"]
    assert len(rows(tmp_path / "m.csv")) == 24


@pytest.mark.parametrize(
    ("fix", "words"),
    [
        ("photos/red/00.png", [".csv"]),
        ("there.csv", ["there.csv already exists", "overwrites nothing"]),
        ("photos/red/00.png/m.csv", ["cannot be written"]),
    ],
)
def test_check_fix_never_overwrites(
    finetune: RunCommand, photos: Path, tmp_path: Path, fix: str, words: list[str]
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    before = everything(photos)
    said = finetune("check", photos, "--fix", tmp_path / fix)
    assert said.code == 1
    for word in words:
        assert word in said.err
    assert everything(photos) == before
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not list(tmp_path.glob(".*draft*"))


def test_check_fix_refuses_names_that_csv_cannot_hold(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    (photos / "red" / "00.png").rename(photos / "red" / " 00.png ")  # a table has no blanks at the ends
    (photos / "red" / " 00.png ").rename(photos / "red" / "00 .png")
    (photos / "blue").rename(photos / "blue ")
    said = finetune("check", photos, "--fix", tmp_path / "m.csv")
    assert said.code == 1
    assert "reads back from a table as something else" in said.err
    assert not (tmp_path / "m.csv").exists()
    assert not list(tmp_path.glob(".*draft*"))


def test_check_fix_refuses_images_that_are_no_files(finetune: RunCommand, tmp_path: Path) -> None:
    said = finetune("check", "sample:digits", "--fix", tmp_path / "m.csv")
    assert said.code == 1
    assert "not files" in said.err


def test_check_reports_untrainable_data_as_a_finding(finetune: RunCommand, photos: Path) -> None:
    (photos / "red").rename(photos / "Green")
    said = finetune("check", photos, "--json")
    found = json.loads(said.out)
    assert said.code == 0
    assert "differ only in case" in found["blocked"]
    assert found["names_alike"] == [["Green", "green"]]
    shutil.rmtree(photos / "Green")
    shutil.rmtree(photos / "green")
    assert "only one class" in finetune("check", photos).out


@pytest.mark.parametrize("task", ["classify", "embed"])
def test_check_lists_every_unusable_file(finetune: RunCommand, photos: Path, task: str) -> None:
    for path in photos.glob("*/*"):
        path.write_bytes(b"trash")
    found = json.loads(finetune("check", photos, "--task", task, "--json").out)
    assert len(found["unusable"]) == 24
    assert found["samples"] == 0


def test_check_without_data_is_an_error(finetune: RunCommand, tmp_path: Path) -> None:
    assert finetune("check", tmp_path / "nowhere").code == 1
    assert finetune("check").code == 2


def test_check_html_shows_samples_and_escapes_names(finetune: RunCommand, dirty: Path, tmp_path: Path) -> None:
    evil = EVIL.replace("/", "")
    for part in ("train", "val", "test"):
        (dirty / part / "green").rename(dirty / part / evil)
    (dirty / "train" / evil / "03.png").rename(dirty / "train" / "red" / "is evil.png")
    assert finetune("check", dirty, "--html", tmp_path / "check.html").code == 0
    page = Page((tmp_path / "check.html").read_bytes())
    assert "script" not in page.tags
    assert page.tags.count("img") > 4
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert any(evil in text for text in page.text)
    for title in ("Likely label errors", "Contradictions", "Leaks"):
        assert title in page.text


def test_check_html_no_samples_names_no_file(finetune: RunCommand, dirty: Path, tmp_path: Path) -> None:
    assert finetune("check", dirty, "--html", tmp_path / "check.html", "--no-samples").code == 0
    page = Page((tmp_path / "check.html").read_bytes())
    assert "img" not in page.tags
    assert not any(".png" in text or ".jpg" in text for text in page.text)
    assert "contradictions" in page.text


def test_training_prints_a_brief_data_check_and_reports_it(finetune: RunCommand, dirty: Path, tmp_path: Path) -> None:
    said = finetune(dirty)
    assert said.code == 0
    assert "findings in the data:" in said.err
    assert "contradictions 1, " in said.err
    assert "`finetune check` lists them all" in said.err
    page = Page((tmp_path / "models" / "dirty" / "1" / "report.html").read_bytes())
    assert {"Data checks", "Likely label errors", "Leaks"} <= {*page.text}
    finetune(dirty, "--no-samples")
    page = Page((tmp_path / "models" / "dirty" / "2" / "report.html").read_bytes())
    assert "Data checks" in page.text
    assert "img" not in page.tags
    assert not any(".png" in text for text in page.text)


def test_check_help_shows_examples_and_imports_nothing_heavy() -> None:
    said = CliRunner().invoke(check, ["--help"], prog_name="finetune check")
    assert said.exit_code == 0
    assert "finetune check photos/" in said.output
    script = "import sys; from finetune.cli.check import check; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "sklearn", "onnxruntime", "tensorflow", "PIL"} & {*loaded}
