"""Classifiers that KerasHub's presets ship with: asked for at their address, taken out, or refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from graft.bundle.open_bundle import open_bundle
from graft.errors import DownloadFailed, HashMismatch, RecipeError
from graft.inputs.image import ImageInput
from tests.support.presets.keras_hub_classifiers import keras_hub_scores, save_classifier
from tests.support.presets.keras_hub_image_presets import entry_of
from tests.support.presets.keras_hub_text_presets import keras_hub, preset_files_by_url
from tests.support.zoo.file_server import FaultyServer
from zoo.catalog.backbone import Backbone, FileSource, Precision
from zoo.catalog.find import get_backbone
from zoo.catalog.imagenet_classifiers import (
    CLASSIFIER_FAMILIES,
    can_publish,
    find_pretrained_classifier,
    imagenet_classes,
)
from zoo.catalog.presets import read_preset_rows
from zoo.cli.main import cli
from zoo.sample_inputs import load_photos
from zoo.trunks import trunk_cache
from zoo.weights import lockfile, weights_cache

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
    return preset_files_by_url(entry, folder) | preset_files_by_url(
        find_pretrained_classifier(entry).backbone_to_fetch(), folder
    )


def photos_of(folder: Path) -> np.ndarray:
    (size, _) = json.loads((folder / "image_converter.json").read_bytes())["config"]["image_size"]
    return np.stack([ImageInput(size)(photo) for photo in load_photos()])


def test_preset_classifier_is_looked_for_at_its_url() -> None:
    head = find_pretrained_classifier(get_backbone(NAME))
    assert isinstance(head.source, FileSource)
    assert [file.path for file in head.source.files] == ["task.json", "task.weights.h5"]
    assert len({file.url.rpartition("/")[0] for file in (*get_backbone(NAME).source.files, *head.source.files)}) == 1  # type: ignore[union-attr]
    expected = {NAME: None, "vgg_16.imagenet": None, "resnet50.imagenet": True, "efficientnet_lite0": True}
    expected |= dict.fromkeys(
        ("csp_darknet_tiny.cv_imagenet", "all_minilm_l6_v2", "siglip_base_patch16_384.webli"), False
    )
    assert {name: can_publish(get_backbone(name)) for name in expected} == expected


def test_preset_classifier_families_equal_keras_hub() -> None:
    families = {row["family"] for row in read_preset_rows("hub.json")}
    families_with_classifier = {
        family for family in families if hasattr(keras_hub().models, family.replace("Backbone", "ImageClassifier"))
    }
    assert families_with_classifier == CLASSIFIER_FAMILIES


def test_preset_without_a_classifier_is_refused_and_fetches_nothing_else(mirror: FaultyServer) -> None:
    result = publish()
    assert isinstance(result.exception, RecipeError)
    assert "comes without a classifier: there is no task.json" in str(result.exception)
    assert [path.rpartition("/")[2] for path, *_ in mirror.requests] == ["task.json"]
    mirror.statuses = [410]
    assert isinstance(publish().exception, DownloadFailed)  # that says nothing of a classifier


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({"class_name": "ResNetImageClassifier", "config": {"num_classes": 12}}, r"12 classes .* --labels FILE"),
        (
            {"class_name": "SegFormerImageSegmenter", "config": {"num_classes": 1000}},
            "a SegFormerImageSegmenter of 1000 classes, not an image classifier",
        ),
        ({"class_name": "ResNetImageClassifier", "config": {}}, "of None classes, not an image classifier"),
        ({"config": 1}, "does not describe a task"),
        ([], "does not describe a task"),
    ],
)
def test_preset_classifier_of_another_task_is_refused_before_building(
    task: object, why: str, mirror: FaultyServer, tmp_path: Path
) -> None:
    (tmp_path / "task.json").write_text(json.dumps(task))
    (tmp_path / "task.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    mirror.files |= preset_files_by_url(find_pretrained_classifier(get_backbone(NAME)).backbone_to_fetch(), tmp_path)
    result = publish()
    assert isinstance(result.exception, RecipeError), result.exception
    with pytest.raises(RecipeError, match=why):
        raise result.exception
    assert len(mirror.requests) == 2


def test_preset_classifier_is_held_to_the_lockfile(mirror: FaultyServer, team: Path, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(json.dumps({"class_name": "ResNetImageClassifier", "config": {}}))
    (tmp_path / "task.weights.h5").touch()
    mirror.files |= preset_files_by_url(find_pretrained_classifier(get_backbone(NAME)).backbone_to_fetch(), tmp_path)
    file = lockfile.LockEntry("0" * 64, 1, "the team's")
    lockfile.add_entries(lockfile.create_lockfile(), NAME, {"task.json": file})
    result = publish()
    assert isinstance(result.exception, HashMismatch)
    assert str(team / "graft.lock") in str(result.exception)


def test_preset_classifier_label_count_is_checked_before_fetching(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("ash\noak\n")
    result = CliRunner().invoke(cli, ["publish", "vgg16.imagenet", "--labels", str(names)])
    assert isinstance(result.exception, RecipeError)
    assert "there are 2 labels, and the classifier of vgg16.imagenet_top has 1,000 classes" in str(result.exception)


@pytest.mark.parametrize("family", TRIED)
def test_preset_classifier_last_dense_layer_is_extracted(family: str, tmp_path: Path) -> None:
    from zoo.convert.keras_classifier import extract_preset_head
    from zoo.convert.networks import build_trunk_network
    from zoo.weights.preset_config import resolve_preset

    entry, file = find_pretrained_classifier(entry_of(family)).trunk, tmp_path / "model.weights.h5"
    assert entry.name.endswith("_top") == (family in TALL)
    save_classifier(family, tmp_path)
    kernel, bias = extract_preset_head(entry, file)
    pictures = photos_of(tmp_path)
    logits = (
        np.asarray(build_trunk_network(resolve_preset(entry, tmp_path), file)(pictures, training=False)) @ kernel + bias
    )
    powers = np.exp(logits - logits.max(1, keepdims=True))
    expected = keras_hub_scores(tmp_path, pictures)
    assert np.abs(powers / powers.sum(1, keepdims=True) - expected).max() <= 1e-5
    assert np.abs(expected[0] - expected[1]).max() > 1e-3  # it looks at the picture


@pytest.mark.parametrize(
    ("family", "own"),
    [pytest.param(*case, id=f"{case[0]} {case[1]}") for case in OTHERS],
)
def test_preset_classifier_of_another_architecture_is_refused(family: str, own: dict[str, Any], tmp_path: Path) -> None:
    from zoo.convert.keras_classifier import extract_preset_head

    save_classifier(family, tmp_path, **own)
    with pytest.raises(RecipeError, match="finetune"):
        extract_preset_head(entry_of(family), tmp_path / "model.weights.h5")


def test_preset_classifier_with_another_activation_is_refused(tmp_path: Path) -> None:
    from zoo.convert.keras_classifier import extract_preset_head

    save_classifier("ResNet", tmp_path, activation="sigmoid")
    with pytest.raises(RecipeError, match="its classifier ends with sigmoid; allowed are linear and softmax"):
        extract_preset_head(entry_of("ResNet"), tmp_path / "model.weights.h5")


@pytest.mark.slow
@pytest.mark.parametrize("precision", Precision)
def test_preset_classifier_is_published(precision: Precision, mirror: FaultyServer, tmp_path: Path) -> None:
    save_classifier("ResNet", tmp_path / "preset", WIDE)
    mirror.files |= files_of(get_backbone(NAME), tmp_path / "preset")
    result = publish("--models", tmp_path / "models", "--precision", precision)
    assert result.exit_code == 0, result.exception
    bundle = open_bundle(tmp_path / "models/resnet_18/1")
    assert bundle.manifest.labels == imagenet_classes()
    expected = keras_hub_scores(tmp_path / "preset", photos_of(tmp_path / "preset"))
    allowed = 1e-4 if precision is Precision.FP32 else 0.05
    assert np.abs(bundle.read_golden().scores - expected).max() <= allowed
    assert np.abs(expected[0] - expected[1]).max() > 0.15
    assert sorted(path.rpartition("/")[2] for path, *_ in mirror.requests) == sorted(
        ["task.json", "task.weights.h5", "model.weights.h5", "config.json", "image_converter.json"]
    )
    cached = trunk_cache.lookup_trunk(get_backbone(NAME), precision)
    assert cached
    assert cached.facts["sha256"] == bundle.manifest.trunk_sha256  # the very trunk that `finetune` takes
    task = weights_cache.weights_path(find_pretrained_classifier(get_backbone(NAME)).backbone_to_fetch())
    task.write_text(task.read_text().replace('"num_classes": 1000', '"num_classes": 1001'))
    assert publish("--models", tmp_path / "models").exit_code == 0  # a damaged file is fetched again
    assert len(mirror.requests) == 6


@pytest.mark.slow
def test_preset_classifier_of_other_classes_needs_labels(mirror: FaultyServer, tmp_path: Path) -> None:
    save_classifier("ResNet", tmp_path / "preset", WIDE, classes=3)
    mirror.files |= files_of(get_backbone(NAME), tmp_path / "preset")
    names = tmp_path / "names.txt"
    names.write_text("ash\noak\nfir\n")
    result = publish("--models", tmp_path / "models", "--labels", names, "--name", "trees")
    assert result.exit_code == 0, result.exception
    bundle = open_bundle(tmp_path / "models/trees/1")
    assert bundle.manifest.labels == ("ash", "oak", "fir")
    expected = keras_hub_scores(tmp_path / "preset", photos_of(tmp_path / "preset"))
    assert np.abs(bundle.read_golden().scores - expected).max() <= 1e-4


@pytest.mark.slow
def test_preset_classifier_of_several_layers_has_its_own_trunk(mirror: FaultyServer, tmp_path: Path) -> None:
    save_classifier("VGG", tmp_path / "preset")
    trunk = find_pretrained_classifier(get_backbone("vgg_11.imagenet")).trunk
    mirror.files |= preset_files_by_url(trunk, tmp_path / "preset")
    result = CliRunner().invoke(cli, ["publish", "vgg_11.imagenet", "--models", str(tmp_path / "models")])
    assert result.exit_code == 0, result.exception
    bundle = open_bundle(tmp_path / "models/vgg_11/1")
    assert bundle.manifest.backbone["name"] == "vgg_11.imagenet_top"
    expected = keras_hub_scores(tmp_path / "preset", photos_of(tmp_path / "preset"))
    assert np.abs(bundle.read_golden().scores - expected).max() <= 1e-4
    assert len(mirror.requests) == 5
    assert get_backbone("vgg_11.imagenet_top") == trunk
    words = ["export", str(bundle.layout.root), "--format", "keras", "-o", str(tmp_path / "keras")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.exception
    assert "needs the package keras-hub" in (tmp_path / "keras/README.md").read_text()
