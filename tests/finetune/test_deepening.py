"""What happens around a deeper run: its folder, its failures, what is published. Tiny trunks, no Keras."""

from __future__ import annotations

from pathlib import Path

import filelock
import pytest

from finetune import deepening
from finetune.attempt import Attempt
from finetune.features import extract
from finetune.learn import learn
from finetune.lesson import Deepened, Lesson
from finetune.pipeline import train
from finetune.plan import Plan, plan
from finetune.recipe import Recipe
from finetune.run_folder import run_folder
from finetune.training import Depth, Training
from zoo.backbone import Precision
from zoo.errors import RecipeError, TrainingFailed, TrunkError
from zoo.files import cache_root
from zoo.progress import Progress, Silence
from zoo.trunk import Trunk


class Listener(Silence):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def planned(photos: Path, **wishes: object) -> Plan:
    return plan(Recipe(data=str(photos), models=photos.parent / "models", **wishes))


def probed(made: Plan) -> Attempt:
    trunk = Trunk.of(made.backbone, made.precision)
    features = extract(trunk, made.dataset, 0.05, Silence())
    return Attempt(Depth.PROBE, trunk, features, learn(made, trunk.path, features, Silence()))


def failing(lesson: Lesson, progress: Progress) -> Deepened:
    (lesson.folder).mkdir(parents=True)
    (lesson.folder / "checkpoint.npz").write_bytes(b"where it stood")
    raise TrainingFailed("the loss of batch 3 in epoch 1 is nan.")


def test_auto_publishes_the_probe_where_going_deeper_fails(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepening, "deepen", failing)
    told = Listener()
    result = train(planned(photos, depth=Depth.AUTO), told)
    assert result.bundle.manifest.depth == "probe"
    assert any("batch 3" in line and "probe stays" in line for line in told.lines)


def test_auto_publishes_the_probe_where_the_user_stops(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(lesson: Lesson, progress: Progress) -> Deepened:
        raise KeyboardInterrupt

    monkeypatch.setattr(deepening, "deepen", stopped)
    assert train(planned(photos, depth=Depth.AUTO), Listener()).bundle.manifest.depth == "probe"


def test_one_depth_that_fails_publishes_nothing_and_keeps_its_checkpoint(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deepening, "deepen", failing)
    with pytest.raises(TrainingFailed, match="batch 3"):
        train(planned(photos, depth=Depth.FULL), Listener())
    assert not (photos.parent / "models" / "photos").exists()
    assert len(list((cache_root() / "runs").rglob("checkpoint.npz"))) == 1


def test_data_that_change_meanwhile_end_the_run(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changing(lesson: Lesson, progress: Progress) -> Deepened:
        (photos / "red" / "00.png").unlink()
        trunk = Trunk.of(lesson.backbone, Precision.FP32)
        return Deepened(trunk=trunk, head=lesson.head, weights=trunk.path, model_keras=b"", history=(), facts={})

    monkeypatch.setattr(deepening, "deepen", changing)
    with pytest.raises(TrainingFailed, match="data changed"):
        train(planned(photos, depth=Depth.FULL), Listener())


def test_what_training_starts_from_has_not_seen_the_validation_part(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Lesson] = []

    def caught(lesson: Lesson, progress: Progress) -> Deepened:
        seen.append(lesson)
        raise TrainingFailed("enough.")

    monkeypatch.setattr(deepening, "deepen", caught)
    made = planned(photos, depth=Depth.FULL)
    probe = probed(made)
    with pytest.raises(TrainingFailed):
        train(made, Silence())
    (lesson,) = seen
    published = probe.learnt.head
    assert published is not None
    assert not (lesson.head.weights == published.weights).all()  # that one was fitted on both parts
    assert not set(lesson.train.tolist()) & set(lesson.val.tolist())


def test_a_run_that_ends_well_leaves_nothing(photos: Path) -> None:
    made = planned(photos, depth=Depth.FULL)
    probe = probed(made)
    with run_folder(made, probe.features, probe.learnt, Silence()) as folder:
        (folder / "checkpoint.npz").write_bytes(b"x")
    assert not list(folder.parent.iterdir())


def test_a_stopped_run_is_begun_anew_unless_resumed(photos: Path) -> None:
    told = Listener()
    for resume, kept in ((False, False), (True, True)):
        made = planned(photos, depth=Depth.FULL, resume=resume)
        probe = probed(made)
        folder = stopped_run(made, probe)
        with run_folder(made, probe.features, probe.learnt, told):
            assert (folder / "checkpoint.npz").exists() is kept
    assert "--resume would have gone on" in told.lines[0]
    assert "going on" in told.lines[1]


def stopped_run(made: Plan, probe: Attempt) -> Path:
    with pytest.raises(KeyboardInterrupt), run_folder(made, probe.features, probe.learnt, Silence()) as folder:
        (folder / "checkpoint.npz").write_bytes(b"x")
        raise KeyboardInterrupt
    return folder


def test_other_samples_or_another_recipe_are_another_run(photos: Path) -> None:
    folders = set()
    for wishes in ({}, {"seed": 1}, {"training": Training(epochs=2)}, {"depth": Depth.TOP}):
        made = planned(photos, **{"depth": Depth.FULL} | wishes)
        probe = probed(made)
        with run_folder(made, probe.features, probe.learnt, Silence()) as folder:
            folders.add(folder)
    assert len(folders) == 4


def test_the_very_same_run_twice_at_a_time_is_refused(photos: Path) -> None:
    made = planned(photos, depth=Depth.FULL)
    probe = probed(made)
    with run_folder(made, probe.features, probe.learnt, Silence()) as folder:
        other = filelock.FileLock(folder.with_suffix(".lock"), is_singleton=False)
        with pytest.raises(filelock.Timeout):
            other.acquire(timeout=0)
        with (
            pytest.raises(RecipeError, match="under way in another process"),
            run_folder(made, probe.features, probe.learnt, Silence()),
        ):
            pass


def test_depths_that_make_no_sense_are_refused(photos: Path) -> None:
    with pytest.raises(RecipeError, match="lora is for texts"):
        planned(photos, depth=Depth.LORA)
    with pytest.raises(RecipeError, match=r"resnet_50\.imagenet is a preset that can be probed only"):
        planned(photos, depth=Depth.TOP, backbone="resnet_50.imagenet")
    with pytest.raises(RecipeError, match=r"vgg16\.imagenet_top has a top of its own and can be probed only"):
        planned(photos, depth=Depth.TOP, backbone="vgg16.imagenet_top")
    with pytest.raises(TrunkError, match=r"dinov3_vit_7b\.lvd1689m: its 6,700 million parameters"):
        planned(photos, backbone="dinov3_vit_7b.lvd1689m")


def test_a_deeper_trunk_is_fp32_unless_int8_is_asked_for(photos: Path) -> None:
    assert planned(photos).precision is Precision.INT8
    assert planned(photos, depth=Depth.TOP).precision is Precision.FP32
    assert planned(photos, depth=Depth.TOP, precision=Precision.INT8).precision is Precision.INT8
