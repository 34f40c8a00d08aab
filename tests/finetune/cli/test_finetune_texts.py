"""`finetune` on texts, from the command to a bundle that replays."""

import json
from pathlib import Path

import numpy as np
import pytest

from finetune.data.dataset import DataOptions
from finetune.data.load import load_dataset
from finetune.features.extract import extract_features
from finetune.report.sample_preview import MAX_EXCERPT_CHARS, excerpt
from graft.inputs.text_bytes import encode_text_sample
from graft.progress import SilentProgress
from tests.support.commands import RunCommand
from tests.support.finetune.text_folders import open_and_replay, table, texts
from tests.support.text_fakes import tiny_text_trunk, tiny_tokenizer
from zoo.sample_inputs import SAMPLE_SENTENCES

EVIL = "<script>alert(1)</script>"


def test_finetune_needs_only_a_table_of_texts(finetune: RunCommand, tmp_path: Path) -> None:
    result = finetune(table(tmp_path, "review,stars", texts(80)))
    assert result.code == 0, result.err
    assert 'text: "review", label: "stars"' in result.err
    assert "80 extracted (" in result.err
    assert "tokens a second" in result.err
    assert "8 of your texts" in result.out
    assert 'predict t "a text"' in result.out


def test_text_bundle_includes_its_tokenizer(finetune: RunCommand, tmp_path: Path) -> None:
    bundle = open_and_replay(finetune(table(tmp_path, "text,label", texts(80)), "--json").out)
    manifest = bundle.manifest
    assert bundle.layout.tokenizer.read_bytes() == tiny_tokenizer()
    assert "tokenizer.json" in manifest.files
    assert (manifest.task, manifest.labels) == ("classify", ("bad", "good"))
    assert (manifest.input["kind"], manifest.input["texts"]) == ("text", 1)
    assert manifest.metrics["accuracy"] > 0.9
    assert manifest.backbone["name"] == "all_minilm_l6_v2.sentences"
    asked = {text.encode() for text, _ in texts(80)}
    assert set(bundle.read_golden().samples) <= asked


def test_finetune_a_folder_of_text_files(finetune: RunCommand, tmp_path: Path) -> None:
    for number, (text, label) in enumerate(texts(40)):
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / label / f"{number:02}.txt").write_text(text)
    (tmp_path / "data" / "good" / "98.txt").write_bytes(b"caf\xe9")
    (tmp_path / "data" / "good" / "99.txt").write_bytes(b" \n")
    result = finetune(tmp_path / "data", "--json", "--max-bad", 0.1)
    assert result.code == 0, result.err
    assert "the samples are texts" in result.err
    assert [bad["file"] for bad in json.loads(result.out)["skipped"]] == ["good/98.txt", "good/99.txt"]
    open_and_replay(result.out)
    assert finetune(tmp_path / "data", "--max-bad", 0).code == 1


def test_text_files_without_a_suffix_are_recognised(tmp_path: Path) -> None:
    for number, (text, label) in enumerate(texts(12)):
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / label / f"{number:02}").write_text(text)
    assert load_dataset(str(tmp_path / "data")).kind == "text"


def test_finetune_embed_a_folder_without_classes(finetune: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number, (text, _) in enumerate(texts(5)):
        (tmp_path / "data" / f"{number}.txt").write_text(text)
    assert open_and_replay(finetune(tmp_path / "data", "--task", "embed", "--json").out).manifest.task == "embed"


def test_finetune_pairs_of_texts(finetune: RunCommand, tmp_path: Path) -> None:
    rows = [(text, "the dog fell", label) for text, label in texts(60)]
    result = finetune(table(tmp_path, "a,b,same", rows), "--text", "a", "--text", "b", "--label", "same", "--json")
    assert result.code == 0, result.err
    bundle = open_and_replay(result.out)
    assert bundle.manifest.input["texts"] == 2
    assert json.loads(bundle.read_golden().samples[0])[1] == "the dog fell"
    own = open_and_replay(
        finetune(tmp_path / "t.csv", "--text", "a", "--text-b", "b", "--label", "same", "--json", "--no-samples").out
    )
    assert own.read_golden().samples[0] == encode_text_sample(*SAMPLE_SENTENCES[:2])


def test_backbone_of_the_other_kind_is_refused(finetune: RunCommand, photos: Path) -> None:
    result = finetune(photos, "--backbone", "all_minilm_l6_v2.sentences")
    assert result.code == 1
    assert "takes texts, but" in result.err
    assert "holds images" in result.err


def test_rows_without_labels_count_as_unusable(finetune: RunCommand, tmp_path: Path) -> None:
    path = table(tmp_path, "text,label", [*texts(40), ("the cat", ""), ("the dog", ""), ("the fish", "")])
    result = finetune(path)
    assert result.code == 1
    assert "3 of the 43 rows" in result.err
    assert "line 42: the label is missing" in result.err
    assert len(json.loads(finetune(path, "--max-bad", 0.1, "--json").out)["skipped"]) == 3


def test_odd_texts_are_trained_or_skipped(finetune: RunCommand, tmp_path: Path) -> None:
    odd = [
        ("x" * 10_000_000, "good"),
        ("good \0 dog", "good"),
        ("\u200b", "bad"),
        ("good\u2028\r\ndog", "good"),
        (" ", "bad"),
    ]
    told = json.loads(finetune(table(tmp_path, "text,label", [*texts(60), *odd]), "--json", "--max-bad", 0.2).out)
    reasons = [bad["reason"] for bad in told["skipped"]]
    assert len(reasons) == 3
    assert sum("10,000,000 bytes" in reason for reason in reasons) == 1
    assert sum("the text is empty" in reason for reason in reasons) == 1
    assert sum("text is missing" in reason for reason in reasons) == 1


def test_finetune_keeps_the_split_column(finetune: RunCommand, tmp_path: Path) -> None:
    rows = [(text, label, "test" if n >= 60 else "train") for n, (text, label) in enumerate(texts(80))]
    manifest = open_and_replay(finetune(table(tmp_path, "text,label,split", rows), "--json").out).manifest
    assert manifest.data["counts"] == {"train": 44, "val": 16, "test": 20}
    assert manifest.data["split"].startswith("the data's own, val cut from train")


def test_worst_texts_are_escaped_or_left_out_of_the_report(finetune: RunCommand, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).choice(["a", "b"], 60)
    rows = [(f"{text} {EVIL} {'the cat ' * 200}", label) for (text, _), label in zip(texts(60), labels, strict=True)]
    path = table(tmp_path, "text,label", rows)
    report = open_and_replay(finetune(path, "--json").out).layout.report.read_text()
    assert "<blockquote>" in report
    assert "&lt;script&gt;" in report
    assert EVIL not in report
    assert "the cat " * 100 not in report
    bundle = open_and_replay(finetune(path, "--json", "--no-samples").out)
    assert "blockquote>" not in bundle.layout.report.read_text()
    assert bundle.read_golden().samples == tuple(map(str.encode, SAMPLE_SENTENCES[:8]))


def test_excerpt_ends_between_words() -> None:
    assert excerpt("a  b\nc") == "a b c"
    assert len(excerpt("word " * 999)) <= MAX_EXCERPT_CHARS + 2
    assert excerpt("word " * 999).endswith("word …")
    assert len(excerpt("x" * 9999)) <= MAX_EXCERPT_CHARS + 2


def test_text_features_do_not_depend_on_order_or_neighbours(tmp_path: Path) -> None:
    trunk = tiny_text_trunk(tmp_path)
    rows = texts(70)

    def extracted(some: list[tuple[str, str]], cache: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / cache))
        return extract_features(
            trunk, load_dataset(str(table(tmp_path, "text,label", some)), DataOptions()), 0, SilentProgress()
        )

    with pytest.MonkeyPatch.context() as patch:
        one = extracted(rows, "one", patch)
        other = extracted(rows[::-1], "two", patch)
        again = extracted(rows[::-1], "one", patch)
    assert np.array_equal(one.x, other.x[::-1])
    assert (one.extracted_count, again.extracted_count, again.token_count) == (70, 0, 0)
    assert one.token_count == sum(len(trunk.inputs(text.encode())) for text, _ in rows)
    for (text, _), x in zip(rows, one.x, strict=True):
        alone = trunk(trunk.inputs.batch([trunk.inputs(text.encode())]))[0]
        assert np.abs(alone - x).max() < 1e-5
