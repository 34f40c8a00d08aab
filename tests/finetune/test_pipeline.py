"""The training pipeline from a folder to a published bundle."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.pipeline import GOLDEN_SAMPLE_COUNT, TrainResult, run_pipeline
from finetune.plan import make_plan
from finetune.recipe import Recipe
from graft.bundle.open_bundle import open_bundle
from graft.bundle.replay import replay
from graft.bundle.repository import model_versions
from graft.errors import DatasetError, ReplayFailed
from graft.inputs.image import ImageInput
from graft.inputs.open_input import BatchArrays
from graft.runtime.session import open_session
from graft.types import Float32Array
from tests.support.class_folders import fill, noisy
from tests.support.listener import Listener
from zoo.trunks.trunk import Trunk


def run(photos: Path, **options) -> TrainResult:
    return run_pipeline(make_plan(Recipe(data=str(photos), models=photos.parent / "models", **options)))


def test_train_publishes_a_bundle_that_replays(photos: Path) -> None:
    result = run(photos, name="colors")
    bundle = open_bundle(photos.parent / "models" / "colors" / "1")
    assert bundle.manifest == result.bundle.manifest
    trunk, head = open_session(bundle.layout.trunk), open_session(bundle.layout.head)
    replay(
        bundle.read_golden(),
        bundle.manifest,
        ImageInput.from_spec(bundle.manifest.input),
        lambda arrays: trunk.run(None, dict(arrays))[0],
        lambda features: head.run(None, {"features": features})[0],
    )


def test_train_records_data_split_and_metrics_in_the_manifest(photos: Path) -> None:
    (photos / "red" / "bad.png").write_bytes(b"")
    facts = run(photos, seed=3).bundle.manifest
    assert facts.labels == ("blue", "green", "red")
    assert facts.data == {
        "source": "photos",
        "seed": 3,
        "split": "stratified 60% / 20% / 20%",
        "counts": {"train": 12, "val": 6, "test": 6},
        "skipped": 1,
    }
    assert facts.metrics["samples"] == 6
    assert facts.metrics["accuracy"] == 1.0
    assert facts.backbone["name"] == "efficientnet_lite0.imagenet"
    assert facts.signature.outputs[-1].shape == (-1, 3)
    assert str(photos.parent) not in facts.to_json().decode()  # where it lay is nobody's business


def test_golden_samples_come_stratified_from_the_test_part(tmp_path: Path) -> None:
    for at, name in enumerate(("train", "val", "test")):
        fill(tmp_path / "data" / name, each=5, first=5 * at)
    golden = run(tmp_path / "data").bundle.read_golden()
    tested = {path.read_bytes(): path.parent.name for path in (tmp_path / "data" / "test").glob("*/*")}
    assert len(golden.samples) == GOLDEN_SAMPLE_COUNT
    assert sorted(tested[sample] for sample in golden.samples) == ["blue"] * 3 + ["green"] * 3 + ["red"] * 2


def test_train_is_deterministic_wherever_the_data_lie(photos: Path, tmp_path: Path) -> None:
    first = run(photos).bundle
    shutil.rmtree(tmp_path / "cache" / "features")
    moved = shutil.move(photos, tmp_path / "elsewhere")
    second = run(Path(moved), name="photos").bundle
    assert first.layout.head.read_bytes() == second.layout.head.read_bytes()
    assert (first.manifest.version, second.manifest.version) == (1, 2)
    assert run(Path(moved), name="photos", seed=1).bundle.layout.head.read_bytes() != first.layout.head.read_bytes()


def test_no_samples_keeps_user_images_out_of_the_bundle(photos: Path) -> None:
    bundle = run(photos, own_samples=False).bundle
    ours = {hashlib.sha256(path.read_bytes()).digest() for path in photos.glob("*/*")}
    assert not ours & {hashlib.sha256(sample).digest() for sample in bundle.read_golden().samples}
    assert len(bundle.read_golden().samples) == GOLDEN_SAMPLE_COUNT
    assert bundle.manifest.samples == "zoo"
    report = bundle.layout.report.read_text()
    assert "data:image" not in report
    assert "00.png" not in report


def test_train_probe_in_fp32_and_int8(photos: Path) -> None:
    shutil.rmtree(photos / "blue")
    for precision in ("fp32", "int8"):
        manifest = run(photos, precision=precision).bundle.manifest
        assert manifest.precision == precision
        assert manifest.metrics["accuracy"] == 1.0


def test_class_of_identical_images_is_refused(photos: Path) -> None:
    for path in (photos / "red").iterdir():
        path.write_bytes(noisy((200, 40, 40), 1))
    with pytest.raises(DatasetError, match="'red' has 1; every class needs at least 3 different usable images"):
        run(photos)


def test_contradicting_labels_are_reported(photos: Path) -> None:
    shutil.copy(photos / "red" / "00.png", photos / "green" / "copy.png")
    listener = Listener()
    run_pipeline(make_plan(Recipe(data=str(photos), models=photos.parent / "models")), listener)
    assert any("green/copy.png (green) = red/00.png (red)" in line for line in listener.lines)


def test_class_with_too_few_usable_images_is_refused(photos: Path) -> None:
    for path in sorted((photos / "red").iterdir())[2:]:
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match="'red' has 2"):
        run(photos, max_bad=0.5)


def test_trunk_that_fails_replay_is_not_published(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published file answers otherwise than the trunk did during training."""
    real = Trunk.__call__

    def drifting(trunk: Trunk, arrays: BatchArrays) -> Float32Array:
        return real(trunk, arrays) + np.float32(5)

    monkeypatch.setattr(Trunk, "__call__", drifting)
    with pytest.raises(ReplayFailed, match="trunk"):
        run(photos)
    assert model_versions(photos.parent / "models", "photos") == []
