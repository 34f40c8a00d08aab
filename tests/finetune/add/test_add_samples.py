"""`finetune add`: new samples or classes, the old version is kept, both are compared on the old labels."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.add.training_record import RECORD_FILE, TrainingRecord
from finetune.data.dataset import LabeledSample
from finetune.data.split import UNASSIGNED
from graft.bundle.open_bundle import Bundle, open_bundle
from graft.bundle.repository import model_versions
from graft.errors import BundleBroken
from graft.storage.atomic_file import file_sha256
from graft.storage.cache_root import cache_root
from tests.support.class_folders import COLORS, fill, noisy
from tests.support.commands import RunCommand
from tests.support.finetune.text_folders import table, texts


def yellow(folder: Path, each: int = 8) -> Path:
    (folder / "yellow").mkdir(parents=True)
    for number in range(each):
        (folder / "yellow" / f"{number:02}.png").write_bytes(noisy((200, 200, 30), 9000 + number))
    return folder


def newest(tmp_path: Path, name: str = "photos") -> Bundle:
    models = tmp_path / "models"
    return open_bundle(models / name / str(model_versions(models, name)[-1]))


def examples(bundle: Bundle) -> TrainingRecord:
    return TrainingRecord.from_npz((bundle.layout.root / RECORD_FILE).read_bytes(), RECORD_FILE)


def test_add_learns_a_new_class_from_its_own_images(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    assert finetune(photos).code == 0
    first = newest(tmp_path)
    shutil.rmtree(photos)  # only what the model and the cache know is left
    result = finetune("add", yellow(tmp_path / "more"), "--to", "photos")
    assert result.code == 0, result.err
    second = newest(tmp_path)
    assert (second.manifest.version, model_versions(tmp_path / "models", "photos")) == (2, [1, 2])
    assert second.manifest.labels == ("blue", "green", "red", "yellow")
    assert second.manifest.metrics["accuracy"] > 0.8
    assert second.manifest.trunk_sha256 == first.manifest.trunk_sha256
    assert second.manifest.signature.outputs[-1].shape == (-1, 4)
    assert second.manifest.data["added"] == [
        {"source": "more", "from_version": 1, "samples": 8, "new_labels": ["yellow"]}
    ]
    assert sum(second.manifest.data["counts"].values()) == 32
    for word in (
        "photos version 2",
        "version 1 is kept",
        "new to it: yellow",
        "accuracy on the 6 old test samples",
    ):
        assert word in result.out
    assert "8 extracted" in result.err
    assert open_bundle(first.layout.root).manifest == first.manifest
    assert "Added samples" in second.layout.report.read_text()


def test_add_keeps_the_old_split_and_splits_new_samples(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    before = examples(newest(tmp_path))
    finetune("add", fill(tmp_path / "more", each=10, first=50), "--to", "photos")
    after = examples(newest(tmp_path))
    n = len(before.sha256)
    assert after.sha256[:n] == before.sha256
    assert (after.parts[:n] == before.parts).all()
    for color in COLORS:
        parts = [str(part) for part, label in zip(after.parts[n:], after.labels[n:], strict=True) if label == color]
        assert {"train", "val", "test"} == set(parts)


def test_add_compares_old_and_new_head_on_the_same_samples(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    first = newest(tmp_path)
    listener = json.loads(finetune("add", yellow(tmp_path / "more", 30), "--to", "photos", "--json").out)
    compared = listener["comparison"]
    assert (compared["metric"], compared["old_samples"], compared["new_samples"]) == ("accuracy", 6, 8)
    assert compared["before"] == first.manifest.metrics["accuracy"]
    for color in COLORS:
        assert compared["labels"][color]["before"] == first.manifest.metrics["per_class"][color]["recall"]
        assert compared["labels"][color]["old_samples"] == 2
    assert compared["labels"]["yellow"]["before"] is None
    assert compared["labels"]["yellow"]["new_samples"] == 8
    whole = listener["metrics"]["accuracy"]
    assert whole * 14 == pytest.approx(6 * compared["after"] + 8 * compared["new"])
    assert newest(tmp_path).manifest.metrics["added"] == compared


def test_add_works_repeatedly(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    finetune("add", yellow(tmp_path / "more"), "--to", "photos")
    assert finetune("add", fill(tmp_path / "again", each=3, first=70), "--to", "photos").code == 0
    manifest = newest(tmp_path).manifest
    assert [step["from_version"] for step in manifest.data["added"]] == [1, 2]
    assert manifest.data["split"].count("added") == 1
    assert sum(manifest.data["counts"].values()) == 24 + 8 + 9


def test_add_accepts_one_new_example(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    (tmp_path / "more" / "red").mkdir(parents=True)
    (tmp_path / "more" / "red" / "x.png").write_bytes(noisy(COLORS["red"], 777))
    listener = json.loads(finetune("add", tmp_path / "more", "--to", "photos", "--json").out)
    assert listener["counts"] == {"train": 13, "val": 6, "test": 6}
    assert listener["comparison"]["new"] is None


def test_add_skips_known_samples_and_duplicates(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    result = finetune("add", photos, "--to", "photos")
    assert result.code == 1
    assert "nothing to add" in result.err
    more = yellow(tmp_path / "more")
    shutil.copy(photos / "red" / "00.png", more / "yellow" / "was-red.png")
    shutil.copy(more / "yellow" / "00.png", more / "yellow" / "again.png")
    result = finetune("add", more, "--to", "photos")
    assert result.code == 0
    assert "1 samples have another label in photos (yellow/was-red.png, …)" in result.err
    assert "1 samples are duplicates, or were trained on before" in result.err
    record = examples(newest(tmp_path))
    assert len(set(record.sha256)) == len(record.sha256) == 32


def test_add_recovers_lost_features_from_the_old_data(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    whole = json.loads(finetune("add", yellow(tmp_path / "more"), "--to", "photos", "--json").out)
    shutil.rmtree(tmp_path / "models" / "photos" / "2")
    shutil.rmtree(cache_root() / "features")
    result = finetune("add", tmp_path / "more", "--to", "photos")
    assert result.code == 1
    assert "photos was trained on 24 samples, and the features of 24" in result.err
    assert "--data photos" in result.err
    (photos / "red" / "00.png").rename(tmp_path / "kept.png")
    result = finetune("add", tmp_path / "more", "--to", "photos", "--data", photos)
    assert result.code == 1
    assert "lacks 1 of those" in result.err
    (tmp_path / "kept.png").rename(photos / "red" / "renamed.png")
    again = json.loads(finetune("add", tmp_path / "more", "--to", "photos", "--data", photos, "--json").out)
    assert again["metrics"] == whole["metrics"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "fotos"], ["no model 'fotos'", "mean 'photos'?", "--models"]),
        (["--to", "photos", "--models", "elsewhere"], ["no model 'photos' in elsewhere"]),
        (["--to", "../photos"], ["no model '../photos'"]),
    ],
)
def test_add_to_an_unknown_model_is_one_clear_error(
    finetune: RunCommand, photos: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    finetune(photos)
    result = finetune("add", yellow(tmp_path / "more"), *arguments)
    assert (result.code, result.out) == (1, "")
    for word in words:
        assert word in result.err
    assert model_versions(tmp_path / "models", "photos") == [1]


def test_add_refuses_data_of_another_kind_or_class_name(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    result = finetune("add", table(tmp_path, "text,label", texts(20)), "--to", "photos")
    assert "photos takes images, but" in result.err
    (tmp_path / "twin" / "Red").mkdir(parents=True)
    (tmp_path / "twin" / "Red" / "x.png").write_bytes(noisy(COLORS["red"], 777))
    assert "differ only in case" in finetune("add", tmp_path / "twin", "--to", "photos").err
    result = finetune("add", yellow(tmp_path / "few", each=2), "--to", "photos")
    assert "'yellow' has 2; every class needs at least 3" in result.err
    assert model_versions(tmp_path / "models", "photos") == [1]


def test_add_refuses_a_model_without_training_record(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos, "--no-samples")
    assert RECORD_FILE not in newest(tmp_path).manifest.files
    assert "--no-samples" in finetune("add", yellow(tmp_path / "more"), "--to", "photos").err
    finetune(photos, "--task", "embed", "--name", "e")
    assert "no head" in finetune("add", tmp_path / "more", "--to", "e").err


def test_add_works_for_texts_tags_and_numbers(finetune: RunCommand, tmp_path: Path) -> None:
    rows = [(text, f"{label};{'long' if len(text) > 20 else 'short'}") for text, label in texts(90)]
    numbers = [(text, str(len(text) + n / 100)) for n, (text, _) in enumerate(texts(90))]
    for name, some, options in (("tags", rows, []), ("numbers", numbers, ["--task", "regress"]), ("t", texts(90), [])):
        for part, cut in (("a", slice(0, 60)), ("b", slice(60, 90))):
            (tmp_path / part).mkdir(exist_ok=True)
            table(tmp_path / part, "text,label", some[cut])
        assert finetune(tmp_path / "a" / "t.csv", "--name", name, *options).code == 0
        result = finetune("add", tmp_path / "b" / "t.csv", "--to", name, "--json")
        assert result.code == 0, result.err
        listener = json.loads(result.out)
        assert listener["comparison"]["metric"] in ("micro_f1", "rmse", "accuracy")
        assert listener["comparison"]["old_samples"] > 0
        open_bundle(Path(tmp_path / listener["path"]))


def test_training_record_round_trip() -> None:
    labels = ("a", "ü\0", "", "x" * 5000, "a")
    bundle_after = TrainingRecord(
        tuple(bytes([number]) * 32 for number in range(5)),
        labels,
        np.array(["train", "val", "test", UNASSIGNED, "train"]),
    )
    back = TrainingRecord.from_npz(bundle_after.to_npz(), "here")
    assert (back.sha256, back.labels, back.parts.tolist()) == (
        bundle_after.sha256,
        bundle_after.labels,
        bundle_after.parts.tolist(),
    )
    assert len(bundle_after.to_npz()) < 2000
    objects = io.BytesIO()
    np.savez(objects, sha256=np.zeros((1, 32), np.uint8), labels=np.array([{}]), label=[0], part=[1])
    for broken in (b"", b"PK", bundle_after.to_npz()[:-40], objects.getvalue()):
        with pytest.raises(BundleBroken, match="here"):
            TrainingRecord.from_npz(broken, "here")


def test_training_record_holds_every_sample_with_its_part(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    finetune(photos)
    bundle = newest(tmp_path)
    listener = examples(bundle)
    on_disk = {file_sha256(path): path.parent.name for path in photos.glob("*/*")}
    assert {key.hex(): label for key, label in zip(listener.sha256, listener.labels, strict=True)} == on_disk
    counts = {part: int((listener.parts == part).sum()) for part in ("train", "val", "test")}
    assert counts == bundle.manifest.data["counts"]


def test_add_never_reads_the_old_samples(finetune: RunCommand, photos: Path, tmp_path: Path, monkeypatch) -> None:
    finetune(photos)
    read = LabeledSample.read
    refs: list[str] = []
    monkeypatch.setattr(LabeledSample, "read", lambda sample: refs.append(sample.ref) or read(sample))
    assert finetune("add", yellow(tmp_path / "more"), "--to", "photos").code == 0
    assert refs
    assert all(ref.startswith("yellow/") for ref in refs if not ref.startswith("trained earlier"))
