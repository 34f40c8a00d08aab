"""Every task, from the command to a bundle that replays."""

from pathlib import Path

import pytest

from tests.support.class_folders import fill
from tests.support.commands import RunCommand
from tests.support.finetune.text_folders import open_and_replay, table, texts


def test_train_texts_with_tags(finetune: RunCommand, tmp_path: Path) -> None:
    rows = [
        (f"{'cat ' * 3 * (n % 3 == 0)}{text}", label + ";cat" * (n % 3 == 0))
        for n, (text, label) in enumerate(texts(150))
    ]
    result = finetune(table(tmp_path, "text,tags", rows), "--json")
    assert "used as tags" in result.err
    manifest = open_and_replay(result.out).manifest
    assert (manifest.task, manifest.labels) == ("tag", ("bad", "cat", "good"))
    assert len(manifest.head["thresholds"]) == 3
    assert manifest.signature.outputs[-1].shape == (-1, 3)
    assert manifest.metrics["micro_f1"] > 0.8
    assert "3 tags" in finetune(tmp_path / "t.csv").out


def test_train_texts_with_numbers(finetune: RunCommand, tmp_path: Path) -> None:
    rows = [(text, str(100 + 50 * (label == "good") + len(text) / 70)) for text, label in texts(150)]
    result = finetune(table(tmp_path, "text,price", rows), "--json")
    assert "used as numbers" in result.err
    bundle = open_and_replay(result.out)
    manifest = bundle.manifest
    assert (manifest.task, manifest.labels) == ("regress", ("price",))
    assert manifest.head["unit"] > 10
    assert manifest.signature.outputs[-1].shape == (-1, 1)
    assert manifest.metrics["r2"] > 0.5
    report = bundle.layout.report.read_text()
    assert report.count("<svg") == 2
    assert "prediction minus truth" in report
    assert "the number is 'price'" in finetune(tmp_path / "t.csv").out


def test_whole_numbers_are_classes_unless_regress_is_requested(finetune: RunCommand, tmp_path: Path) -> None:
    path = table(tmp_path, "text,stars", [(text, str(1 + 3 * (label == "good"))) for text, label in texts(80)])
    result = finetune(path, "--json")
    assert "2 distinct whole numbers: used as classes (--task regress" in result.err
    assert open_and_replay(result.out).manifest.task == "classify"
    assert open_and_replay(finetune(path, "--json", "--task", "regress").out).manifest.task == "regress"


def test_train_embed_publishes_no_head(finetune: RunCommand, tmp_path: Path) -> None:
    path = table(tmp_path, "text", [(text,) for text, _ in texts(10)])
    bundle = open_and_replay(finetune(path, "--task", "embed", "--json").out)
    assert (bundle.manifest.labels, bundle.manifest.head, bundle.manifest.metrics) == ((), {"kind": "none"}, {})
    assert [output.name for output in bundle.manifest.signature.outputs] == ["features"]
    assert "head.onnx" not in bundle.manifest.files
    assert bundle.read_golden().scores.shape == (8, 0)
    assert ":embed" in finetune(path, "--task", "embed").out


@pytest.mark.parametrize("task", ["tag", "regress", "embed"])
def test_train_images_with_every_task(finetune: RunCommand, tmp_path: Path, task: str) -> None:
    photos = sorted(fill(tmp_path / "photos", each=12).glob("*/*"))
    label = {"tag": lambda p: f"{p.parent.name}|any", "regress": lambda p: str(len(p.parent.name) + 0.5)}
    rows = [(str(path), label.get(task, lambda _: "")(path)) for path in photos]
    bundle = open_and_replay(finetune(table(tmp_path, "path,label", rows), "--task", task, "--json").out)
    assert (bundle.manifest.task, bundle.manifest.input["kind"]) == (task, "image")
    if task != "embed":
        assert bundle.layout.report.read_text().count("data:image") >= (task == "regress")
