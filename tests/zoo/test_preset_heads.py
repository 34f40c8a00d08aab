"""Classifiers that KerasHub's presets ship with: asked for at their address, taken out, or refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.zoo.image_classifiers import save_classifier, their_scores
from tests.zoo.presets import keras_hub, served
from tests.zoo.servers import FaultyServer
from tests.zoo.test_image_presets import entry_of
from zoo import lockfile, trunk_cache, weights
from zoo.backbone import Backbone, FileSource, Precision, get
from zoo.bundle import open_bundle
from zoo.catalog.preset import rows
from zoo.catalog.tops import CLASSIFIERS
from zoo.cli import cli
from zoo.errors import DownloadFailed, HashMismatch, RecipeError
from zoo.heads import classes, own_head, publishes
from zoo.image import ImageInput
from zoo.pictures import photos

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Layer 'attn':UserWarning"),
]
NAME = "resnet_18.imagenet"
WIDE = {"stackwise_num_filters": [64, 512]}  # as wide as the catalog says
QUICK = ("ResNet", "ViT", "VGG")
ON_FEATURES = ("CSPNet", "DeiT", "DenseNet", "EfficientNet", "MiT", "ResNet", "SwinTransformer", "ViT", "Xception")
TALL = ("HGNetV2", "MobileNet", "VGG")  # more than one layer: on a trunk of their own
TRIED = [
    family if family in QUICK else pytest.param(family, marks=pytest.mark.slow) for family in (*ON_FEATURES, *TALL)
]
OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ResNet", {"pooling": "max"}),
    ("ViT", {"intermediate_dim": 8}),
    ("ViT", {"pooling": "gap"}),
)


def publish(*words: object) -> Result:
    return CliRunner().invoke(cli, ["publish", NAME, *map(str, words)])


def files_of(entry: Backbone, folder: Path) -> dict[str, bytes]:
    """The preset's files by the paths that a mirror serves, those of the classifier too."""
    return served(entry, folder) | served(own_head(entry).fetched(), folder)


def photos_of(folder: Path) -> np.ndarray:
    (size, _) = json.loads((folder / "image_converter.json").read_bytes())["config"]["image_size"]
    return np.stack([ImageInput(size)(photo) for photo in photos()])


def test_only_its_address_tells_whether_a_preset_has_a_classifier() -> None:
    head = own_head(get(NAME))
    assert isinstance(head.source, FileSource)
    assert [file.path for file in head.source.files] == ["task.json", "task.weights.h5"]
    assert len({file.url.rpartition("/")[0] for file in (*get(NAME).source.files, *head.source.files)}) == 1  # type: ignore[union-attr]
    said = {NAME: None, "vgg_16.imagenet": None, "resnet50.imagenet": True, "efficientnet_lite0": True}
    said |= dict.fromkeys(("csp_darknet_tiny.cv_imagenet", "all_minilm_l6_v2", "siglip_base_patch16_384.webli"), False)
    assert {name: publishes(get(name)) for name in said} == said


def test_the_families_that_have_classifiers_are_those_of_keras_hub() -> None:
    families = {row["family"] for row in rows("hub.json")}
    known = {
        family for family in families if hasattr(keras_hub().models, family.replace("Backbone", "ImageClassifier"))
    }
    assert known == CLASSIFIERS


def test_a_preset_without_a_classifier_is_refused_and_nothing_else_is_fetched(mirror: FaultyServer) -> None:
    ran = publish()
    assert isinstance(ran.exception, RecipeError)
    assert "comes without a classifier: there is no task.json" in str(ran.exception)
    assert [path.rpartition("/")[2] for path, *_ in mirror.asked] == ["task.json"]
    mirror.statuses = [410]
    assert isinstance(publish().exception, DownloadFailed)  # that says nothing of a classifier


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({"class_name": "ResNetImageClassifier", "config": {"num_classes": 12}}, r"12 classes .* --labels FILE"),
        ({"class_name": "SegFormerImageSegmenter", "config": {"num_classes": 1000}}, "no image classifier but a SegF"),
        ({"class_name": "ResNetImageClassifier", "config": {}}, "no image classifier"),
        ({"config": 1}, "describes no task"),
        ([], "describes no task"),
    ],
)
def test_another_task_is_refused_before_the_trunk_is_built(
    task: object, why: str, mirror: FaultyServer, tmp_path: Path
) -> None:
    (tmp_path / "task.json").write_text(json.dumps(task))
    (tmp_path / "task.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    mirror.files |= served(own_head(get(NAME)).fetched(), tmp_path)
    ran = publish()
    assert isinstance(ran.exception, RecipeError), ran.exception
    with pytest.raises(RecipeError, match=why):
        raise ran.exception
    assert len(mirror.asked) == 2


def test_a_team_s_lock_file_holds_the_classifier_too(mirror: FaultyServer, team: Path, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(json.dumps({"class_name": "ResNetImageClassifier", "config": {}}))
    (tmp_path / "task.weights.h5").touch()
    mirror.files |= served(own_head(get(NAME)).fetched(), tmp_path)
    file = lockfile.Locked("0" * 64, 1, "the team's")
    lockfile.record(lockfile.begin(), NAME, {"task.json": file})
    ran = publish()
    assert isinstance(ran.exception, HashMismatch)
    assert str(team / "graft.lock") in str(ran.exception)


def test_labels_that_are_not_as_many_as_the_classes_are_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("ash\noak\n")
    ran = CliRunner().invoke(cli, ["publish", "vgg16.imagenet", "--labels", str(names)])
    assert isinstance(ran.exception, RecipeError)
    assert "2 labels are given; the classifier of vgg16.imagenet_top has 1,000 classes" in str(ran.exception)


@pytest.mark.parametrize("family", TRIED)
def test_the_last_dense_layer_is_taken_out(family: str, tmp_path: Path) -> None:
    from zoo.build.networks import network
    from zoo.build.preset_head import head_of_preset
    from zoo.presets import settled

    entry, file = own_head(entry_of(family)).trunk, tmp_path / "model.weights.h5"
    assert entry.name.endswith("_top") == (family in TALL)
    save_classifier(family, tmp_path)
    kernel, bias = head_of_preset(entry, file)
    pictures = photos_of(tmp_path)
    logits = np.asarray(network(settled(entry, tmp_path), file)(pictures, training=False)) @ kernel + bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    expected = their_scores(tmp_path, pictures)
    assert np.abs(powers / powers.sum(1, keepdims=True) - expected).max() <= 1e-5
    assert np.abs(expected[0] - expected[1]).max() > 1e-3  # it looks at the picture


@pytest.mark.parametrize(
    ("family", "own"),
    [pytest.param(*case, id=f"{case[0]} {case[1]}") for case in OTHERS],
)
def test_one_on_something_else_is_refused(family: str, own: dict[str, Any], tmp_path: Path) -> None:
    from zoo.build.preset_head import head_of_preset

    save_classifier(family, tmp_path, **own)
    with pytest.raises(RecipeError, match="finetune"):
        head_of_preset(entry_of(family), tmp_path / "model.weights.h5")


def test_one_that_ends_with_another_activation_is_refused(tmp_path: Path) -> None:
    from zoo.build.preset_head import head_of_preset

    save_classifier("ResNet", tmp_path, activation="sigmoid")
    with pytest.raises(RecipeError, match="ends with sigmoid; allowed are linear and softmax"):
        head_of_preset(entry_of("ResNet"), tmp_path / "model.weights.h5")


@pytest.mark.slow
@pytest.mark.parametrize("precision", Precision)
def test_a_served_classifier_is_published(precision: Precision, mirror: FaultyServer, tmp_path: Path) -> None:
    save_classifier("ResNet", tmp_path / "preset", WIDE)
    mirror.files |= files_of(get(NAME), tmp_path / "preset")
    ran = publish("--models", tmp_path / "models", "--precision", precision)
    assert ran.exit_code == 0, ran.exception
    bundle = open_bundle(tmp_path / "models/resnet_18/1")
    assert bundle.manifest.labels == classes()
    expected = their_scores(tmp_path / "preset", photos_of(tmp_path / "preset"))
    allowed = 1e-4 if precision is Precision.FP32 else 0.05
    assert np.abs(bundle.golden().scores - expected).max() <= allowed
    assert np.abs(expected[0] - expected[1]).max() > 0.15
    assert sorted(path.rpartition("/")[2] for path, *_ in mirror.asked) == sorted(
        ["task.json", "task.weights.h5", "model.weights.h5", "config.json", "image_converter.json"]
    )
    found = trunk_cache.lookup(get(NAME), precision)
    assert found
    assert found.facts["sha256"] == bundle.manifest.trunk_sha256  # the very trunk that `finetune` takes
    task = weights.path_of(own_head(get(NAME)).fetched())
    task.write_text(task.read_text().replace('"num_classes": 1000', '"num_classes": 1001'))
    assert publish("--models", tmp_path / "models").exit_code == 0  # a damaged file is fetched again
    assert len(mirror.asked) == 6


@pytest.mark.slow
def test_other_classes_need_their_names(mirror: FaultyServer, tmp_path: Path) -> None:
    save_classifier("ResNet", tmp_path / "preset", WIDE, classes=3)
    mirror.files |= files_of(get(NAME), tmp_path / "preset")
    names = tmp_path / "names.txt"
    names.write_text("ash\noak\nfir\n")
    ran = publish("--models", tmp_path / "models", "--labels", names, "--name", "trees")
    assert ran.exit_code == 0, ran.exception
    bundle = open_bundle(tmp_path / "models/trees/1")
    assert bundle.manifest.labels == ("ash", "oak", "fir")
    expected = their_scores(tmp_path / "preset", photos_of(tmp_path / "preset"))
    assert np.abs(bundle.golden().scores - expected).max() <= 1e-4


@pytest.mark.slow
def test_a_top_of_more_layers_is_published_on_a_trunk_of_its_own(mirror: FaultyServer, tmp_path: Path) -> None:
    save_classifier("VGG", tmp_path / "preset")
    trunk = own_head(get("vgg_11.imagenet")).trunk
    mirror.files |= served(trunk, tmp_path / "preset")
    ran = CliRunner().invoke(cli, ["publish", "vgg_11.imagenet", "--models", str(tmp_path / "models")])
    assert ran.exit_code == 0, ran.exception
    bundle = open_bundle(tmp_path / "models/vgg_11/1")
    assert bundle.manifest.backbone["name"] == "vgg_11.imagenet_top"
    expected = their_scores(tmp_path / "preset", photos_of(tmp_path / "preset"))
    assert np.abs(bundle.golden().scores - expected).max() <= 1e-4
    assert len(mirror.asked) == 5
    assert get("vgg_11.imagenet_top") == trunk
    words = ["export", str(bundle.layout.root), "--format", "keras", "-o", str(tmp_path / "keras")]
    ran = CliRunner().invoke(cli, words)
    assert ran.exit_code == 0, ran.exception
    assert "needs the package keras-hub" in (tmp_path / "keras/README.md").read_text()
