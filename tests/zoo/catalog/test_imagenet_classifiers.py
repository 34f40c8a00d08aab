"""A backbone's own classifier: which have one, where it is, and what its classes are called."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from graft.bundle.open_bundle import open_bundle
from graft.bundle.replay import TOLERANCE
from graft.errors import PublishFailed, RecipeError, WeightsError
from tests.support.paths import REPOSITORY
from tests.support.zoo.file_server import faulty_server
from zoo.catalog import imagenet_classifiers
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE, FileSource, Precision
from zoo.catalog.find import all_backbones, get_backbone
from zoo.catalog.imagenet_classifiers import find_pretrained_classifier, imagenet_classes
from zoo.cli.main import cli
from zoo.manage.cache_eviction import list_cache_entries
from zoo.manage.verify_cached import FileState, verify_cached
from zoo.sample_inputs import load_photos
from zoo.weights.weights_cache import weights_path


def zoo(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_imagenet_class_names_are_unique() -> None:
    names = imagenet_classes()
    assert len(names) == len(set(names)) == 1000
    assert (names[985], names[442]) == ("daisy", "bell_cote")
    assert (names[134], names[517]) == ("crane (n02012849)", "crane (n03126707)")


def test_classifier_of_keras_applications_is_a_second_file() -> None:
    resnet = get_backbone("resnet50.imagenet")
    head = find_pretrained_classifier(resnet)
    fetched = head.backbone_to_fetch()
    assert (head.factory, head.trunk) == ("ResNet50", resnet)
    assert fetched.source != resnet.source
    assert fetched.source.files[0].md5 == "2cb95161c43110f7111970584f804107"
    assert fetched.megabytes > resnet.megabytes + 8
    assert find_pretrained_classifier(get_backbone(DEFAULT_IMAGE_BACKBONE)).source is None
    lite1 = dataclasses.replace(
        get_backbone(DEFAULT_IMAGE_BACKBONE), name="efficientnet_lite1.imagenet", builder="efficientnet_lite:lite1"
    )
    assert find_pretrained_classifier(lite1).kernel == "_fc.weight"


def test_classifier_of_several_layers_has_a_hidden_trunk() -> None:
    head = find_pretrained_classifier(get_backbone("vgg16.imagenet"))
    assert (head.trunk.name, head.trunk.width, head.source) == ("vgg16.imagenet_top", 4096, None)
    assert get_backbone("vgg16.imagenet_top") == head.trunk
    assert find_pretrained_classifier(head.trunk) == head
    assert get_backbone("vgg16").width == 512
    assert head.trunk not in all_backbones()
    assert head.trunk.megabytes == pytest.approx(553.4)  # as large as the published file, which has 138,357,544 weights
    assert "4096" in zoo("show", "vgg16.imagenet_top").stdout


def test_classifier_trunk_weights_are_kept_and_verified() -> None:
    path = weights_path(get_backbone("vgg16.imagenet_top"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert [(item.name, item.unneeded) for item in list_cache_entries()] == [("vgg16.imagenet_top", "")]
    assert [(checked.name, checked.state) for checked in verify_cached()] == [("vgg16.imagenet_top", FileState.DAMAGED)]


def test_classifier_exists_for_every_keras_application() -> None:
    heads = {b.name: find_pretrained_classifier(b) for b in all_backbones() if b.library == "keras.applications"}
    assert len(heads) == 40
    apart = {name.rpartition(".")[0] for name, head in heads.items() if head.trunk.name != name}
    convnext = {f"convnext_{size}" for size in ("tiny", "small", "base", "large", "xlarge")}
    assert apart == convnext | {"mobilenet_v3_large", "mobilenet_v3_small", "vgg16", "vgg19"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("csp_darknet_tiny.cv_imagenet", "no classifier of its own that is known"),
        (DEFAULT_TEXT_BACKBONE, "it takes texts"),
    ],
)
def test_publish_without_a_known_classifier_is_refused_before_fetching(name: str, why: str) -> None:
    ran = zoo("publish", name)
    assert isinstance(ran.exception, RecipeError)
    assert why in str(ran.exception)
    assert "finetune" in str(ran.exception)


def test_publish_to_an_unwritable_folder_is_refused_before_fetching(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = zoo("publish", "mobilenet_v2", "--models", tmp_path / "file" / "models")
    assert isinstance(ran.exception, PublishFailed)
    assert "Choose another one with --models" in str(ran.exception)


@pytest.mark.usefixtures("shared_weights")
@pytest.mark.parametrize("precision", Precision)
def test_publish_pretrained_classifies_two_photos_in_both_precisions(precision: Precision, tmp_path: Path) -> None:
    models = tmp_path / "models"
    ran = zoo("publish", DEFAULT_IMAGE_BACKBONE, "--models", models, "--precision", precision, "--json")
    assert ran.exit_code == 0, ran.exception
    facts = json.loads(ran.stdout)
    bundle = open_bundle(Path(facts["path"]))
    assert (facts["model"], facts["labels"]) == ("efficientnet_lite0", 1000)
    golden = bundle.read_golden()
    assert golden.samples == load_photos()
    assert [imagenet_classes()[row.argmax()] for row in golden.scores] == ["bell_cote", "daisy"]
    assert np.allclose(golden.scores.sum(1), 1, atol=1e-5)
    assert (bundle.manifest.depth, bundle.manifest.metrics) == ("none", {})
    assert bundle.manifest.backbone["top1"] == 75.1


@pytest.mark.usefixtures("shared_weights")
def test_publish_pretrained_exports_to_onnx(tmp_path: Path) -> None:
    assert zoo("publish", DEFAULT_IMAGE_BACKBONE, "--models", tmp_path / "models", "--name", "photos").exit_code == 0
    ran = zoo("export", tmp_path / "models/photos", "--format", "onnx", "-o", tmp_path / "out", "--json")
    assert ran.exit_code == 0, ran.exception
    assert json.loads(ran.stdout)["proof"]["off"] <= TOLERANCE["int8"] / 100  # the very same graphs
    meta = {prop.key: prop.value for prop in onnx.load(tmp_path / "out/model.onnx").metadata_props}
    assert json.loads(meta["graft.labels"])[985] == "daisy"


@pytest.mark.slow
def test_classifier_tables_are_up_to_date() -> None:
    """Its own process: building all networks takes much memory."""
    script = (
        "from tools.catalog.heads_table import CLASSES, HEADS, classes, heads\n"
        "assert HEADS.read_text() == heads(), 'run: python -m tools.catalog.heads_table'\n"
        "assert CLASSES.read_text() == classes()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def made(name: str, folder: Path, seed: str) -> None:
    """Make a file with a top and, where it is needed, one without, of one random network, in a folder."""
    script = REPOSITORY / "tests/support/presets/make_classifier_weights.py"
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, script, name, str(folder), seed], check=True, env=env, capture_output=True)


@pytest.mark.slow
def test_publish_pretrained_refuses_a_classifier_file_of_another_training(tmp_path: Path) -> None:
    name = "mobilenet_v2.imagenet"
    folder = tmp_path / "cache" / "weights" / name
    made(name, folder, "0 0")
    ran = zoo("publish", name, "--models", tmp_path / "models")
    assert ran.exit_code == 0, ran.exception
    bundle = open_bundle(tmp_path / "models/mobilenet_v2/1")
    expected = np.load(folder / "expected.npz")["scores"]  # of the whole network in Keras, on the two photos
    assert np.allclose(bundle.read_golden().scores, expected, atol=1e-4)
    made(name, folder, "0 1")
    ran = zoo("publish", name, "--models", tmp_path / "models")
    assert isinstance(ran.exception, WeightsError)
    assert "not from the same training" in str(ran.exception)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnext_tiny.imagenet", "mobilenet_v3_small.imagenet", "vgg16.imagenet"])
def test_publish_pretrained_with_the_classifier_in_the_trunk_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(name, tmp_path / "made", "0 0")
    trunk = find_pretrained_classifier(get_backbone(name)).trunk
    assert isinstance(trunk.source, FileSource)
    (file,) = trunk.source.files
    random = dataclasses.replace(trunk, source=FileSource(files=(dataclasses.replace(file, md5=None, sha256=None),)))
    monkeypatch.setattr(imagenet_classifiers, "CLASSIFIER_TRUNKS", (random,))
    with faulty_server() as server:
        server.files = {"/" + file.url.removeprefix("https://"): (tmp_path / "made" / file.path).read_bytes()}
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        ran = zoo("publish", name, "--models", tmp_path / "models")
        assert ran.exit_code == 0, ran.exception
        assert [path for path, *_ in server.requests] == list(server.files)  # the file with the top alone, and once
    bundle = open_bundle(tmp_path / "models" / name.split(".")[0] / "1")
    expected = np.load(tmp_path / "made/expected.npz")["scores"]  # of the whole network in Keras, on the two photos
    assert np.abs(bundle.read_golden().scores - expected).max() <= 1e-4
    assert np.abs(expected[0] - expected[1]).max() > 1e-3  # it looks at the picture
    assert bundle.manifest.backbone["name"] == trunk.name
    assert [(item.name, item.unneeded) for item in list_cache_entries() if item.kind == "weights"] == [(trunk.name, "")]
    assert [(c.kind, c.name, c.is_intact) for c in verify_cached()] == [
        ("weights", trunk.name, True),
        ("fp32 trunk", trunk.name, True),
    ]
    ran = zoo("export", bundle.layout.root, "--format", "keras", "-o", tmp_path / "keras")
    assert ran.exit_code == 0, ran.exception
