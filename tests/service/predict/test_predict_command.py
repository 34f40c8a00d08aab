"""`predict` in process and through a server: what samples may be, what is told, and what goes wrong by hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from graft.errors import BadRequest, DatasetError, DeviceMissing, GraftError, NotReady, UnknownModel, Unreachable
from service.cli import predict
from service.predict import command
from tests.support.fakes import picture, tiny_bundle
from tests.support.service.server_process import running
from tests.support.table_files import FORMATS
from tests.support.text_fakes import tiny_text_bundle
from tests.support.wait import until

Run = Callable[..., Result]
COLORS = ("red", "green", "blue", "white")


@pytest.fixture
def run(text_models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `predict` in `tmp_path`, where the repository is."""
    assert text_models == tmp_path / "models"
    for task in ("tag", "regress"):
        tiny_text_bundle(text_models, task, task=task)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(predict, [str(one) for one in arguments])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures in a folder and in one below it, and what is none of them."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for color, where in zip(COLORS, (".", ".", "more", ".hidden"), strict=True):
        (folder / where / f"{color}.PNG").write_bytes(picture(color))
    (folder / "notes.txt").write_text("none")
    (folder / ".secret.png").write_bytes(picture())
    (folder / "more" / "up").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    return folder


def rows_of(result: Result) -> list[dict]:
    assert result.stdout, result.output
    return json.loads(result.stdout)["predictions"]


def table_of(text: str) -> list[dict[str, str]]:
    import csv

    return list(csv.DictReader(text.splitlines()))


def failed(result: Result, error: type[BaseException], *words: str) -> None:
    said = str(getattr(result.exception, "message", result.exception)) + result.output
    assert isinstance(result.exception, error), (result.exception, result.output)
    for word in words:
        assert word in said


# What samples may be


def test_predict_image_folder_recursively(run: Run, photos: Path) -> None:
    rows = rows_of(run("tiny", "photos", "--json"))
    assert [row["file"] for row in rows] == ["photos/green.PNG", "photos/more/blue.PNG", "photos/red.PNG"]
    alone = rows_of(run("tiny", "photos/more/blue.PNG", "--json"))
    assert alone == [rows[1]]


def test_predict_text_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "letters" / "deep").mkdir(parents=True)
    (tmp_path / "letters" / "deep" / "a.txt").write_text("the cat rose")
    (tmp_path / "letters" / "b.png").write_bytes(picture())
    (row,) = rows_of(run("topics", "letters", "--json"))
    (typed,) = rows_of(run("topics", "the cat rose", "--json"))
    assert (row.pop("file"), typed.pop("text")) == ("letters/deep/a.txt", "the cat rose")
    assert row == typed


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_predict_tables_of_every_format(run: Run, tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    rows = rows_of(run("topics", path, "--json"))
    typed = rows_of(
        run("topics", *(f"{word} price number {n}, and more" for n in range(4) for word in ("cat", "dog")), "--json")
    )
    assert len(rows) == 8
    assert [row["label"] for row in rows] == [row["label"] for row in typed]
    assert np.allclose([row["probability"] for row in rows], [row["probability"] for row in typed], atol=1e-5)
    assert all(row["file"] == str(path) and row["row"] for row in rows)


def test_predict_table_of_paths_is_relative_to_its_folder(run: Run, photos: Path) -> None:
    (photos / "t.csv").write_text("path,label\nred.PNG,a\nmore/blue.PNG,b\nmissing.png,c\n,d\nred.PNG,e,f\n")
    ran = run("tiny", "photos/t.csv", "--csv", "-")
    rows = table_of(ran.stdout)
    assert [row["path"] for row in rows] == ["red.PNG", "more/blue.PNG", "missing.png", "", "red.PNG"]
    assert [row["label"] for row in rows] == list("abcde")
    (red,) = rows_of(run("tiny", "photos/red.PNG", "--json"))
    assert rows[0]["predicted_label"] == red["label"]
    assert float(rows[0]["predicted_probability"]) == pytest.approx(red["probability"])
    assert [bool(row["predicted_error"]) for row in rows] == [False, False, True, True, True]
    assert "3 of 5" in str(ran.exception)


def test_predict_column_option_names_the_text_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("one,two,three\nthe cat rose,a bad fish,1\n")
    failed(run("topics", "t.csv"), DatasetError, "--column", "'one', 'two', 'three'")
    (row,) = rows_of(run("topics", "t.csv", "--column", "Two", "--json"))
    (typed,) = rows_of(run("topics", "a bad fish", "--json"))
    assert row["top"] == typed["top"]
    (pair,) = rows_of(run("pairs", "t.csv", "--column", "one", "--column", "two", "--json"))
    (typed,) = rows_of(run("pairs", "the cat rose", "a bad fish", "--json"))
    assert pair["top"] == typed["top"]


def test_predict_pair_columns_are_found_by_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"premise": "the cat", "hypothesis": "a dog", "id": 7}')
    (pair,) = rows_of(run("pairs", "t.jsonl", "--json"))
    (typed,) = rows_of(run("pairs", "the cat", "a dog", "--json"))
    assert pair["top"] == typed["top"]


# What is told


def test_predict_bad_sample_does_not_stop_the_rest(run: Run, photos: Path) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (photos / "dangling.gif").symlink_to("nowhere")
    ran = run("tiny", "photos", "gone.png", "--csv", "out.csv")
    rows = table_of(Path("out.csv").read_text())
    bad = {Path(row["file"]).name: row["error"] for row in rows if row["error"]}
    assert set(bad) == {"empty.jpg", "broken.jpg", "dangling.gif", "gone.png"}
    assert "No such file" in bad["gone.png"]
    assert "empty file" in bad["empty.jpg"]
    assert len([row for row in rows if row["label"]]) == 3
    failed(ran, GraftError, "4 of 7")


def test_predict_many_samples_print_a_summary_and_a_complete_csv(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\n" + "".join(f"the cat rose {n}\n" for n in range(200)) + '" \x01"\n')
    ran = run("topics", "t.csv", "--csv", "out.csv")
    assert "201 samples" in ran.stdout
    assert len(ran.stdout.splitlines()) < 30
    assert "(no answer)" in ran.stdout
    assert "t.csv, line 202" in ran.stdout
    rows = table_of(Path("out.csv").read_text())
    assert [row["text"] for row in rows[:200]] == [f"the cat rose {n}" for n in range(200)]
    assert "predicting" in ran.stderr


def test_predict_batches_and_windows_change_no_answer_or_order(run: Run, tmp_path: Path, monkeypatch) -> None:
    from service.predict import local_model

    texts = [f"{'cat dog ' * (n % 5)}price {n}" if n % 7 else "" for n in range(60)]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    whole = rows_of(run("topics", "t.jsonl", "--json"))
    for name, size in {"TEXTS_PER_TASK": 2, "TASKS_PER_WINDOW": 3, "MAX_BATCH_TEXTS": 2}.items():
        monkeypatch.setattr(local_model, name, size)
    small = rows_of(run("topics", "t.jsonl", "--json"))
    assert [row["row"] for row in small] == [f"line {n}" for n in range(1, 61)]
    for one, other in zip(whole, small, strict=True):
        assert one.get("error") == other.get("error")
        assert one.get("label") == other.get("label")
        assert one.get("probability", 0) == pytest.approx(other.get("probability", 0), abs=1e-5)


def test_predict_csv_columns_of_every_task(run: Run) -> None:
    def header(model: str) -> list[str]:
        return run(model, "the cat", "a dog", "--top", 2, "--csv", "-").stdout.splitlines()[0].split(",")

    best = ["label", "probability", "label_2", "probability_2"]
    assert header("topics") == ["text", *best, "error"]
    assert header("tag") == ["text", "tags", *best, "error"]
    assert header("regress") == ["text", "value", "error"]
    assert run("pairs", "a cat", "the dog", "--top", 1, "--csv", "-").stdout.startswith("text_a,text_b,label,prob")


def test_predict_several_tables_into_one_csv(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,id\nthe cat,1\n")
    (tmp_path / "b.csv").write_text("review,id,error\nthe dog,2,odd\n")
    typed, first, second = table_of(run("topics", "a text", "a.csv", "b.csv", "--csv", "-").stdout)
    assert (typed["sample_text"], typed["sample_table"], typed["text"]) == ("a text", "", "")
    assert (first["sample_table"], first["sample_row"], first["id"], first["review"]) == ("a.csv", "line 2", "1", "")
    assert (second["review"], second["error"], second["predicted_error"]) == ("the dog", "odd", "")


def test_predict_csv_cells_are_never_formulas(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,n\n=1+1 cat,-3.5\n-cat,+4\n@cat,\n＝cat,=2\nthe = cat,a\n")
    rows = table_of(run("topics", "t.csv", "--csv", "-").stdout)
    assert [row["text"] for row in rows] == ["'=1+1 cat", "'-cat", "'@cat", "'＝cat", "the = cat"]
    assert [row["n"] for row in rows] == ["-3.5", "+4", "", "'=2", "a"]
    assert all("'" not in row["text"] for row in rows_of(run("topics", "=cat", "--json")))


def test_predict_escapes_control_characters(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2J.png").write_bytes(picture())
    shown = run("tiny", "a\x1b[2J.png", "b\x1b[2J.png").stdout
    assert "\x1b" not in shown


# What goes wrong


def test_predict_unknown_model_error_names_the_nearest(run: Run) -> None:
    failed(run("topic", "a text"), UnknownModel, "Did you mean 'topics'", "tiny")
    failed(run("../models/topics", "a text"), UnknownModel, "There are")
    failed(run("headless", "a text"), BadRequest, "embed")


def test_predict_falls_back_to_the_previous_version(run: Run, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "models", seed=3)
    (tmp_path / "a.png").write_bytes(picture())
    assert json.loads(run("tiny", "a.png", "--json").stdout)["version"] == 2
    (tmp_path / "models/tiny/2/head.onnx").write_bytes(b"damaged")
    ran = run("tiny", "a.png", "--json")
    assert json.loads(ran.stdout)["version"] == 1
    assert "version 2" in ran.stderr
    shutil.rmtree(tmp_path / "models/tiny/1")
    failed(run("tiny", "a.png"), NotReady, "version 2", "does not match the manifest")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tiny", "nothing"], ["nothing and its subfolders have no images"]),
        (["topics", "nothing"], ["nothing and its subfolders have no texts"]),
        (["tiny", "texts"], ["texts and its subfolders have no images"]),
        (["topics", "header.csv"], ["header.csv", "no rows"]),
        (["topics", "empty.csv"], ["empty.csv is empty"]),
        (["tiny", "header.csv"], ["header.csv"]),
        (["tiny", "numbers.csv"], ["no column that is clearly the path of an image", "--column NAME"]),
        (["topics", "numbers.csv"], ["no column that is clearly the text", "'a', 'b'"]),
        (["pairs", "numbers.csv"], ["a pair of texts", "--column A --column B"]),
        (["topics", "numbers.csv", "--column", "c"], ["no column 'c' (--column)"]),
        (["topics", "numbers.csv", "--sheet", "x"], ["no sheets"]),
        (["topics", "odd.xls"], [".xlsx"]),
    ],
)
def test_predict_unusable_sample_arguments_are_refused_first(
    run: Run, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a text")
    (tmp_path / "header.csv").write_text("text,label\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "odd.xls").write_text("x")
    failed(run(*arguments, "--csv", "out.csv"), DatasetError, *words)
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["topics", "a text", "--column", "x"], ["no table"]),
        (["topics", "t.csv", "--column", "x", "--column", "y"], ["--column once"]),
        (["pairs", "a", "b", "c"], ["two by two"]),
        (["pairs", "models"], ["Give a table"]),
        (["topics", "a text", "--json", "--csv", "-"], ["Give the CSV file a name"]),
        (["topics", "a text", "--models", "models", "--url", "http://127.0.0.1:9"], ["Give one of them"]),
        (["topics", "a text", "--models", "nowhere"], ["'nowhere'", "finetune"]),
        (["topics", "a text", "--csv", "nowhere/out.csv"], ["'nowhere'"]),
        (["topics", "a text", "--csv", "models"], ["not a regular file"]),
        (["topics", "a text", "--csv", os.devnull], ["not a regular file"]),
        (["topics", "t.csv", "--csv", "t.csv"], ["would be overwritten"]),
        (["topics", "t.csv", "--csv", "link.csv"], ["would be overwritten"]),
        (["topics", "link.csv", "--csv", "t.csv"], ["would be overwritten"]),
    ],
)
def test_predict_wrong_usage_is_explained(run: Run, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    (tmp_path / "t.csv").write_text("text\nthe cat\n")
    (tmp_path / "link.csv").symlink_to("t.csv")
    ran = run(*arguments)
    assert isinstance(ran.exception, SystemExit), ran.exception  # explained by click, not a crash
    assert ran.exit_code in (1, 2)
    for word in words:
        assert word in ran.output
    assert (tmp_path / "t.csv").read_text() == "text\nthe cat\n"


def test_predict_mistyped_file_name_is_an_error_and_no_text(run: Run) -> None:
    ran = run("topics", "lettre.txt", "reviws.csv", "the cat.", "gone/", "--json")
    assert ["error" in row for row in rows_of(ran)] == [True, True, False, True]
    assert "No such file" in rows_of(ran)[0]["error"]


def test_predict_csv_is_atomic(run: Run, tmp_path: Path, monkeypatch) -> None:
    from service.predict.local_model import LocalModel

    out = tmp_path / "out.csv"
    out.write_text("old")
    out.chmod(0o640)
    (tmp_path / "t.csv").write_text("text\n" + "the cat\n" * 50)
    with monkeypatch.context() as patch:
        patch.setattr(LocalModel, "_predict_batch", lambda *_: 1 / 0)
        assert isinstance(run("topics", "t.csv", "--csv", "out.csv").exception, ZeroDivisionError)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.glob(".out*")] == []
    assert run("topics", "t.csv", "--csv", "out.csv").exit_code == 0
    assert len(out.read_text().splitlines()) == 51
    assert out.stat().st_mode & 0o777 == 0o640


def test_predict_unwritable_csv_folder_is_refused_before_work(run: Run, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    ran = run("topics", "a text", "--csv", "locked/out.csv")
    assert "cannot be written" in ran.output


def start_predict(*arguments: object, **options: object) -> subprocess.Popen[str]:
    code = "from service.cli import predict_main; predict_main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_predict_interrupted_leaves_no_csv(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\n" + "the cat rose and the dog fell\n" * 200_000)
    ran = start_predict(
        *("topics", "t.csv", "--csv", "out.csv"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    )
    until(lambda: next((path for path in tmp_path.glob(".out.csv*") if path.stat().st_size), None) is not None)
    ran.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, said = ran.communicate(timeout=30)
    assert ran.returncode == 130, said
    assert "stopped" in said
    assert "Traceback" not in said
    assert time.monotonic() - start < 20
    assert list(tmp_path.glob("*out.csv*")) + list(tmp_path.glob(".out.csv*")) == []


def test_predict_closed_pipe_is_no_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\n" + "the cat rose and the dog fell\n" * 20_000)
    ran = start_predict("topics", "t.csv", "--csv", "-")
    assert ran.stdout
    assert ran.stderr
    ran.stdout.readline()
    ran.stdout.close()
    said = ran.stderr.read()
    ran.wait(30)
    ran.stderr.close()
    assert "Traceback" not in said
    assert "Exception" not in said


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_predict_without_the_serve_extra_says_what_to_install(run: Run, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from service.cli import predict_main; predict_main()"
    ran = subprocess.run([sys.executable, "-c", code, "topics", "a"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    for word in (package, "keras-graft[serve]", "--url"):
        assert word in ran.stderr
    assert "Traceback" not in ran.stderr


def test_predict_url_works_without_the_serve_extra(run: Run, text_models: Path) -> None:
    hidden = "onnxruntime", "tokenizers", "pydantic", "fastapi", "starlette", "uvicorn", "prometheus_client", "openpyxl"
    code = f"import sys; sys.modules |= dict.fromkeys({hidden!r}); from service.cli import predict_main; predict_main()"
    with running(text_models) as server:
        until(lambda: "ready: " in server.log)
        arguments = ["topics", "a cat", "--url", server.url, "--csv", "-"]
        ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[1].startswith("a cat,")


def test_predict_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from click.testing import CliRunner; from service.cli import predict; "
        "r = CliRunner().invoke(predict, ['--help']); assert r.exit_code == 0; print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(ran.stdout.split()) & {"onnxruntime", "numpy", "httpx2", "PIL", "pydantic", "rich"}


# Whom it asks


def test_predict_without_models_or_server_says_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "DEFAULT_URL", "http://127.0.0.1:9")
    ran = CliRunner().invoke(predict, ["topics", "a text"])
    failed(ran, Unreachable, "no folder 'models'", "`serve`", "--models")


def test_predict_models_folder_from_the_environment(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("GRAFT_MODELS", "elsewhere")
    assert len(rows_of(run("topics", "a text", "--json"))) == 1


def test_predict_url_answers_like_local_models(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (tmp_path / "t.csv").write_text(
        "text\n" + "".join(f"the cat {'rose ' * (n % 9)}{n}\n" for n in range(150)) + '"\x01"\na dog\n'
    )
    with running(tmp_path / "models") as server:
        until(lambda: "ready: " in server.log)
        for arguments in (["tiny", "photos", "gone.png"], ["topics", "t.csv"], ["tag", "a cat"], ["regress", "a cat"]):
            here = rows_of(run(*arguments, "--json"))
            there = rows_of(run(*arguments, "--json", "--url", server.url))
            assert [sorted(row) for row in here] == [sorted(row) for row in there]
            for one, other in zip(here, there, strict=True):
                assert one.get("label") == other.get("label")
                assert one.get("probability", 0) == pytest.approx(other.get("probability", 0), abs=1e-5)
                assert one.get("value", 0) == pytest.approx(other.get("value", 0), abs=1e-5)


def test_predict_missing_device_is_refused(run: Run) -> None:
    refused = run("topics", "a text", "--device", "cuda")
    assert refused.exit_code != 0
    assert isinstance(refused.exception, DeviceMissing)
    assert run("topics", "a text", "--device", "cpu").exit_code == 0
    assert "--device is for work without a server" in run("topics", "a", "--device", "cpu", "--url", "http://x").output
