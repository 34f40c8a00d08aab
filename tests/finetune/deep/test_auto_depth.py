"""What happens around a deeper run: its folder, its failures, what is published. Tiny trunks, no Keras."""

from __future__ import annotations

from pathlib import Path

import filelock
import pytest

from finetune.deep import auto_depth
from finetune.deep.resume import open_run_folder
from finetune.deep.training_job import DeepRunResult, TrainingJob
from finetune.features.extract import extract_features
from finetune.head.fit import HeadOptions, fit_head
from finetune.pipeline import run_pipeline
from finetune.plan import Plan, make_plan
from finetune.recipe import Depth, Recipe, TrainingOptions
from finetune.result import TrainedCandidate
from graft.errors import RecipeError, TrainingFailed, TrunkError
from graft.progress import Progress, SilentProgress
from graft.storage.cache_root import cache_root
from tests.support.listener import Listener
from zoo.catalog.backbone import Precision
from zoo.trunks.trunk import Trunk


def plan_for(photos: Path, **options: object) -> Plan:
    return make_plan(Recipe(data=str(photos), models=photos.parent / "models", **options))


def probe_of(plan: Plan) -> TrainedCandidate:
    trunk = Trunk.from_backbone(plan.backbone, plan.precision)
    features = extract_features(trunk, plan.dataset, 0.05, SilentProgress())
    head_fit = fit_head(plan.dataset, features, trunk.path, HeadOptions.from_recipe(plan.recipe), SilentProgress())
    return TrainedCandidate(Depth.PROBE, trunk, features, head_fit)


def fail_training(job: TrainingJob, progress: Progress) -> DeepRunResult:
    job.folder.mkdir(parents=True)
    (job.folder / "checkpoint.npz").write_bytes(b"the state")
    raise TrainingFailed("the loss of batch 3 in epoch 1 is nan.")


def test_depth_auto_publishes_the_probe_if_deeper_training_fails(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_depth, "train_trunk", fail_training)
    listener = Listener()
    result = run_pipeline(plan_for(photos, depth=Depth.AUTO), listener)
    assert result.bundle.manifest.depth == "probe"
    assert any("batch 3" in line and "keeping probe" in line for line in listener.lines)


def test_depth_auto_publishes_the_probe_if_the_user_stops(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press_ctrl_c(job: TrainingJob, progress: Progress) -> DeepRunResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(auto_depth, "train_trunk", press_ctrl_c)
    assert run_pipeline(plan_for(photos, depth=Depth.AUTO), Listener()).bundle.manifest.depth == "probe"


def test_failed_training_publishes_nothing_and_keeps_its_checkpoint(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto_depth, "train_trunk", fail_training)
    with pytest.raises(TrainingFailed, match="batch 3"):
        run_pipeline(plan_for(photos, depth=Depth.FULL), Listener())
    assert not (photos.parent / "models" / "photos").exists()
    assert len(list((cache_root() / "runs").rglob("checkpoint.npz"))) == 1


def test_data_changed_during_training_end_the_run(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete_a_sample(job: TrainingJob, progress: Progress) -> DeepRunResult:
        (photos / "red" / "00.png").unlink()
        trunk = Trunk.from_backbone(job.backbone, Precision.FP32)
        return DeepRunResult(
            trunk=trunk, head=job.start_head, weights_path=trunk.path, model_keras=b"", history=(), facts={}
        )

    monkeypatch.setattr(auto_depth, "train_trunk", delete_a_sample)
    with pytest.raises(TrainingFailed, match="data changed"):
        run_pipeline(plan_for(photos, depth=Depth.FULL), Listener())


def test_start_head_has_not_seen_the_validation_part(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[TrainingJob] = []

    def record_job(job: TrainingJob, progress: Progress) -> DeepRunResult:
        jobs.append(job)
        raise TrainingFailed("enough.")

    monkeypatch.setattr(auto_depth, "train_trunk", record_job)
    plan = plan_for(photos, depth=Depth.FULL)
    probe = probe_of(plan)
    with pytest.raises(TrainingFailed):
        run_pipeline(plan, SilentProgress())
    (job,) = jobs
    published = probe.head_fit.head
    assert published is not None
    assert not (job.start_head.weights == published.weights).all()  # that one was fitted on both parts
    assert not set(job.train_rows.tolist()) & set(job.val_rows.tolist())


def test_run_folder_is_deleted_after_success(photos: Path) -> None:
    plan = plan_for(photos, depth=Depth.FULL)
    probe = probe_of(plan)
    with open_run_folder(plan, probe.features, probe.head_fit, SilentProgress()) as folder:
        (folder / "checkpoint.npz").write_bytes(b"x")
    assert not list(folder.parent.iterdir())


def test_resume_keeps_the_checkpoint_of_a_stopped_run(photos: Path) -> None:
    listener = Listener()
    for resume, exists in ((False, False), (True, True)):
        plan = plan_for(photos, depth=Depth.FULL, resume=resume)
        probe = probe_of(plan)
        folder = interrupt_run(plan, probe)
        with open_run_folder(plan, probe.features, probe.head_fit, listener):
            assert (folder / "checkpoint.npz").exists() is exists
    assert "--resume would have continued" in listener.lines[0]
    assert "resuming" in listener.lines[1]


def interrupt_run(plan: Plan, probe: TrainedCandidate) -> Path:
    with (
        pytest.raises(KeyboardInterrupt),
        open_run_folder(plan, probe.features, probe.head_fit, SilentProgress()) as folder,
    ):
        (folder / "checkpoint.npz").write_bytes(b"x")
        raise KeyboardInterrupt
    return folder


def test_run_folder_depends_on_samples_and_recipe(photos: Path) -> None:
    folders = set()
    for options in ({}, {"seed": 1}, {"training": TrainingOptions(epochs=2)}, {"depth": Depth.TOP}):
        plan = plan_for(photos, **{"depth": Depth.FULL} | options)
        probe = probe_of(plan)
        with open_run_folder(plan, probe.features, probe.head_fit, SilentProgress()) as folder:
            folders.add(folder)
    assert len(folders) == 4


def test_run_folder_is_locked_against_a_second_run(photos: Path) -> None:
    plan = plan_for(photos, depth=Depth.FULL)
    probe = probe_of(plan)
    with open_run_folder(plan, probe.features, probe.head_fit, SilentProgress()) as folder:
        other = filelock.FileLock(folder.with_suffix(".lock"), is_singleton=False)
        with pytest.raises(filelock.Timeout):
            other.acquire(timeout=0)
        with (
            pytest.raises(RecipeError, match="another process is running"),
            open_run_folder(plan, probe.features, probe.head_fit, SilentProgress()),
        ):
            pass


def test_unsupported_depth_is_refused(photos: Path) -> None:
    with pytest.raises(RecipeError, match="lora is for texts"):
        plan_for(photos, depth=Depth.LORA)
    with pytest.raises(RecipeError, match=r"resnet_50\.imagenet is a preset, which supports --depth probe only"):
        plan_for(photos, depth=Depth.TOP, backbone="resnet_50.imagenet")
    with pytest.raises(RecipeError, match=r"vgg16\.imagenet_top has a top of its own and supports --depth probe only"):
        plan_for(photos, depth=Depth.TOP, backbone="vgg16.imagenet_top")
    with pytest.raises(TrunkError, match=r"dinov3_vit_7b\.lvd1689m: its 6,700 million parameters"):
        plan_for(photos, backbone="dinov3_vit_7b.lvd1689m")


def test_trained_trunk_is_fp32_unless_int8_is_requested(photos: Path) -> None:
    assert plan_for(photos).precision is Precision.INT8
    assert plan_for(photos, depth=Depth.TOP).precision is Precision.FP32
    assert plan_for(photos, depth=Depth.TOP, precision=Precision.INT8).precision is Precision.INT8
