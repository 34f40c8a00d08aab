"""What happens around a deeper run: its folder, its failures, what is published. Tiny trunks, no Keras."""

from __future__ import annotations

from pathlib import Path

import filelock
import pytest

from finetune.deep import auto_depth
from finetune.deep.resume import open_run_folder
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.features.extract import extract_features
from finetune.head.fit import train_head
from finetune.pipeline import run_pipeline
from finetune.plan import Plan, make_plan
from finetune.recipe import Depth, Recipe, TrainingOptions
from finetune.result import TrainedCandidate
from graft.errors import RecipeError, TrainingFailed, TrunkError
from graft.progress import Progress, SilentProgress
from graft.storage.cache_root import cache_root
from zoo.catalog.backbone import Precision
from zoo.trunks.trunk import Trunk


class Listener(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def planned(photos: Path, **wishes: object) -> Plan:
    return make_plan(Recipe(data=str(photos), models=photos.parent / "models", **wishes))


def probed(made: Plan) -> TrainedCandidate:
    trunk = Trunk.from_backbone(made.backbone, made.precision)
    features = extract_features(trunk, made.dataset, 0.05, SilentProgress())
    return TrainedCandidate(Depth.PROBE, trunk, features, train_head(made, trunk.path, features, SilentProgress()))


def failing(lesson: TrainingJob, progress: Progress) -> DeepRunResult:
    (lesson.folder).mkdir(parents=True)
    (lesson.folder / "checkpoint.npz").write_bytes(b"where it stood")
    raise TrainingFailed("the loss of batch 3 in epoch 1 is nan.")


def test_depth_auto_publishes_the_probe_if_deeper_training_fails(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_depth, "train_trunk", failing)
    told = Listener()
    result = run_pipeline(planned(photos, depth=Depth.AUTO), told)
    assert result.bundle.manifest.depth == "probe"
    assert any("batch 3" in line and "probe stays" in line for line in told.lines)


def test_depth_auto_publishes_the_probe_if_the_user_stops(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(lesson: TrainingJob, progress: Progress) -> DeepRunResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(auto_depth, "train_trunk", stopped)
    assert run_pipeline(planned(photos, depth=Depth.AUTO), Listener()).bundle.manifest.depth == "probe"


def test_failed_training_publishes_nothing_and_keeps_its_checkpoint(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto_depth, "train_trunk", failing)
    with pytest.raises(TrainingFailed, match="batch 3"):
        run_pipeline(planned(photos, depth=Depth.FULL), Listener())
    assert not (photos.parent / "models" / "photos").exists()
    assert len(list((cache_root() / "runs").rglob("checkpoint.npz"))) == 1


def test_data_changed_during_training_end_the_run(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changing(lesson: TrainingJob, progress: Progress) -> DeepRunResult:
        (photos / "red" / "00.png").unlink()
        trunk = Trunk.from_backbone(lesson.backbone, Precision.FP32)
        return DeepRunResult(
            trunk=trunk, head=lesson.start_head, weights_path=trunk.path, model_keras=b"", history=(), facts={}
        )

    monkeypatch.setattr(auto_depth, "train_trunk", changing)
    with pytest.raises(TrainingFailed, match="data changed"):
        run_pipeline(planned(photos, depth=Depth.FULL), Listener())


def test_start_head_has_not_seen_the_validation_part(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TrainingJob] = []

    def caught(lesson: TrainingJob, progress: Progress) -> DeepRunResult:
        seen.append(lesson)
        raise TrainingFailed("enough.")

    monkeypatch.setattr(auto_depth, "train_trunk", caught)
    made = planned(photos, depth=Depth.FULL)
    probe = probed(made)
    with pytest.raises(TrainingFailed):
        run_pipeline(made, SilentProgress())
    (lesson,) = seen
    published = probe.head_fit.head
    assert published is not None
    assert not (lesson.start_head.weights == published.weights).all()  # that one was fitted on both parts
    assert not set(lesson.train_rows.tolist()) & set(lesson.val_rows.tolist())


def test_run_folder_is_deleted_after_success(photos: Path) -> None:
    made = planned(photos, depth=Depth.FULL)
    probe = probed(made)
    with open_run_folder(made, probe.features, probe.head_fit, SilentProgress()) as folder:
        (folder / "checkpoint.npz").write_bytes(b"x")
    assert not list(folder.parent.iterdir())


def test_resume_keeps_the_checkpoint_of_a_stopped_run(photos: Path) -> None:
    told = Listener()
    for resume, kept in ((False, False), (True, True)):
        made = planned(photos, depth=Depth.FULL, resume=resume)
        probe = probed(made)
        folder = stopped_run(made, probe)
        with open_run_folder(made, probe.features, probe.head_fit, told):
            assert (folder / "checkpoint.npz").exists() is kept
    assert "--resume would have gone on" in told.lines[0]
    assert "going on" in told.lines[1]


def stopped_run(made: Plan, probe: TrainedCandidate) -> Path:
    with (
        pytest.raises(KeyboardInterrupt),
        open_run_folder(made, probe.features, probe.head_fit, SilentProgress()) as folder,
    ):
        (folder / "checkpoint.npz").write_bytes(b"x")
        raise KeyboardInterrupt
    return folder


def test_run_folder_depends_on_samples_and_recipe(photos: Path) -> None:
    folders = set()
    for wishes in ({}, {"seed": 1}, {"training": TrainingOptions(epochs=2)}, {"depth": Depth.TOP}):
        made = planned(photos, **{"depth": Depth.FULL} | wishes)
        probe = probed(made)
        with open_run_folder(made, probe.features, probe.head_fit, SilentProgress()) as folder:
            folders.add(folder)
    assert len(folders) == 4


def test_run_folder_is_locked_against_a_second_run(photos: Path) -> None:
    made = planned(photos, depth=Depth.FULL)
    probe = probed(made)
    with open_run_folder(made, probe.features, probe.head_fit, SilentProgress()) as folder:
        other = filelock.FileLock(folder.with_suffix(".lock"), is_singleton=False)
        with pytest.raises(filelock.Timeout):
            other.acquire(timeout=0)
        with (
            pytest.raises(RecipeError, match="under way in another process"),
            open_run_folder(made, probe.features, probe.head_fit, SilentProgress()),
        ):
            pass


def test_unsupported_depth_is_refused(photos: Path) -> None:
    with pytest.raises(RecipeError, match="lora is for texts"):
        planned(photos, depth=Depth.LORA)
    with pytest.raises(RecipeError, match=r"resnet_50\.imagenet is a preset that can be probed only"):
        planned(photos, depth=Depth.TOP, backbone="resnet_50.imagenet")
    with pytest.raises(RecipeError, match=r"vgg16\.imagenet_top has a top of its own and can be probed only"):
        planned(photos, depth=Depth.TOP, backbone="vgg16.imagenet_top")
    with pytest.raises(TrunkError, match=r"dinov3_vit_7b\.lvd1689m: its 6,700 million parameters"):
        planned(photos, backbone="dinov3_vit_7b.lvd1689m")


def test_trained_trunk_is_fp32_unless_int8_is_requested(photos: Path) -> None:
    assert planned(photos).precision is Precision.INT8
    assert planned(photos, depth=Depth.TOP).precision is Precision.FP32
    assert planned(photos, depth=Depth.TOP, precision=Precision.INT8).precision is Precision.INT8
