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

from tests.zoo.servers import faulty_server
from zoo.backbone import DEFAULT, DEFAULT_TEXT, FileSource, Precision, catalog, get
from zoo.bundle import open_bundle
from zoo.cache import items
from zoo.catalog import tops
from zoo.cli import cli
from zoo.errors import PublishFailed, RecipeError, WeightsError
from zoo.heads import classes, own_head
from zoo.pictures import photos
from zoo.replay import TOLERANCE
from zoo.verify import State, verify
from zoo.weights import path_of


def zoo(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_every_class_has_a_name_of_its_own() -> None:
    names = classes()
    assert len(names) == len(set(names)) == 1000
    assert (names[985], names[442]) == ("daisy", "bell_cote")
    assert (names[134], names[517]) == ("crane (n02012849)", "crane (n03126707)")


def test_a_classifier_of_kerass_own_is_a_second_file() -> None:
    resnet = get("resnet50.imagenet")
    head = own_head(resnet)
    fetched = head.fetched()
    assert (head.factory, head.trunk) == ("ResNet50", resnet)
    assert fetched.source != resnet.source
    assert fetched.source.files[0].md5 == "2cb95161c43110f7111970584f804107"
    assert fetched.megabytes > resnet.megabytes + 8
    assert own_head(get(DEFAULT)).source is None
    lite1 = dataclasses.replace(get(DEFAULT), name="efficientnet_lite1.imagenet", builder="efficientnet_lite:lite1")
    assert own_head(lite1).kernel == "_fc.weight"


def test_a_top_of_more_layers_has_a_trunk_of_its_own_that_no_list_shows() -> None:
    head = own_head(get("vgg16.imagenet"))
    assert (head.trunk.name, head.trunk.width, head.source) == ("vgg16.imagenet_top", 4096, None)
    assert get("vgg16.imagenet_top") == head.trunk
    assert own_head(head.trunk) == head
    assert get("vgg16").width == 512
    assert head.trunk not in catalog()
    assert head.trunk.megabytes == pytest.approx(553.4)  # as large as the published file, which has 138,357,544 weights
    assert "4096" in zoo("show", "vgg16.imagenet_top").stdout


def test_the_weights_of_such_a_trunk_are_needed_ones() -> None:
    path = path_of(get("vgg16.imagenet_top"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert [(item.name, item.unneeded) for item in items()] == [("vgg16.imagenet_top", "")]
    assert [(checked.name, checked.state) for checked in verify()] == [("vgg16.imagenet_top", State.DAMAGED)]


def test_every_network_of_keras_applications_can_be_published() -> None:
    heads = {b.name: own_head(b) for b in catalog() if b.library == "keras.applications"}
    assert len(heads) == 40
    apart = {name.rpartition(".")[0] for name, head in heads.items() if head.trunk.name != name}
    convnext = {f"convnext_{size}" for size in ("tiny", "small", "base", "large", "xlarge")}
    assert apart == convnext | {"mobilenet_v3_large", "mobilenet_v3_small", "vgg16", "vgg19"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("csp_darknet_tiny.cv_imagenet", "no classifier of its own that is known"),
        (DEFAULT_TEXT, "it takes texts"),
    ],
)
def test_what_has_no_such_classifier_says_why_before_anything_is_fetched(name: str, why: str) -> None:
    ran = zoo("publish", name)
    assert isinstance(ran.exception, RecipeError)
    assert why in str(ran.exception)
    assert "finetune" in str(ran.exception)


def test_where_nothing_can_be_written_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = zoo("publish", "mobilenet_v2", "--models", tmp_path / "file" / "models")
    assert isinstance(ran.exception, PublishFailed)
    assert "Choose another one with --models" in str(ran.exception)


@pytest.mark.usefixtures("shared_weights")
@pytest.mark.parametrize("precision", Precision)
def test_both_trunks_know_the_daisy_and_the_bell_cote(precision: Precision, tmp_path: Path) -> None:
    models = tmp_path / "models"
    ran = zoo("publish", DEFAULT, "--models", models, "--precision", precision, "--json")
    assert ran.exit_code == 0, ran.exception
    facts = json.loads(ran.stdout)
    bundle = open_bundle(Path(facts["path"]))
    assert (facts["model"], facts["labels"]) == ("efficientnet_lite0", 1000)
    golden = bundle.golden()
    assert golden.samples == photos()
    assert [classes()[row.argmax()] for row in golden.scores] == ["bell_cote", "daisy"]
    assert np.allclose(golden.scores.sum(1), 1, atol=1e-5)
    assert (bundle.manifest.depth, bundle.manifest.metrics) == ("none", {})
    assert bundle.manifest.backbone["top1"] == 75.1


@pytest.mark.usefixtures("shared_weights")
def test_a_published_model_becomes_one_onnx_file(tmp_path: Path) -> None:
    assert zoo("publish", DEFAULT, "--models", tmp_path / "models", "--name", "photos").exit_code == 0
    ran = zoo("export", tmp_path / "models/photos", "--format", "onnx", "-o", tmp_path / "out", "--json")
    assert ran.exit_code == 0, ran.exception
    assert json.loads(ran.stdout)["proof"]["off"] <= TOLERANCE["int8"] / 100  # the very same graphs
    meta = {prop.key: prop.value for prop in onnx.load(tmp_path / "out/model.onnx").metadata_props}
    assert json.loads(meta["graft.labels"])[985] == "daisy"


@pytest.mark.slow
def test_the_tables_are_what_the_libraries_say() -> None:
    """Its own process: building all networks takes much memory."""
    script = (
        "from zoo.build.heads_table import CLASSES, HEADS, classes, heads\n"
        "assert HEADS.read_text() == heads(), 'run: python -m zoo.build.heads_table'\n"
        "assert CLASSES.read_text() == classes()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def made(name: str, folder: Path, seed: str) -> None:
    """Make a file with a top and, where it is needed, one without, of one random network, in a folder."""
    script = Path(__file__).with_name("legacy_tops.py")
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, script, name, str(folder), seed], check=True, env=env, capture_output=True)


@pytest.mark.slow
def test_a_top_in_its_own_file_is_taken_out_and_one_of_another_training_refused(tmp_path: Path) -> None:
    name = "mobilenet_v2.imagenet"
    folder = tmp_path / "cache" / "weights" / name
    made(name, folder, "0 0")
    ran = zoo("publish", name, "--models", tmp_path / "models")
    assert ran.exit_code == 0, ran.exception
    bundle = open_bundle(tmp_path / "models/mobilenet_v2/1")
    expected = np.load(folder / "expected.npz")["scores"]  # of the whole network in Keras, on the two photos
    assert np.allclose(bundle.golden().scores, expected, atol=1e-4)
    made(name, folder, "0 1")
    ran = zoo("publish", name, "--models", tmp_path / "models")
    assert isinstance(ran.exception, WeightsError)
    assert "not of the same training" in str(ran.exception)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnext_tiny.imagenet", "mobilenet_v3_small.imagenet", "vgg16.imagenet"])
def test_what_is_served_with_its_top_is_published_and_exported(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(name, tmp_path / "made", "0 0")
    trunk = own_head(get(name)).trunk
    assert isinstance(trunk.source, FileSource)
    (file,) = trunk.source.files
    random = dataclasses.replace(trunk, source=FileSource(files=(dataclasses.replace(file, md5=None, sha256=None),)))
    monkeypatch.setattr(tops, "TABLE", (random,))
    with faulty_server() as server:
        server.files = {"/" + file.url.removeprefix("https://"): (tmp_path / "made" / file.path).read_bytes()}
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        ran = zoo("publish", name, "--models", tmp_path / "models")
        assert ran.exit_code == 0, ran.exception
        assert [path for path, *_ in server.asked] == list(server.files)  # the file with the top alone, and once
    bundle = open_bundle(tmp_path / "models" / name.split(".")[0] / "1")
    expected = np.load(tmp_path / "made/expected.npz")["scores"]  # of the whole network in Keras, on the two photos
    assert np.abs(bundle.golden().scores - expected).max() <= 1e-4
    assert np.abs(expected[0] - expected[1]).max() > 1e-3  # it looks at the picture
    assert bundle.manifest.backbone["name"] == trunk.name
    assert [(item.name, item.unneeded) for item in items() if item.kind == "weights"] == [(trunk.name, "")]
    assert [(c.kind, c.name, c.whole) for c in verify()] == [
        ("weights", trunk.name, True),
        ("fp32 trunk", trunk.name, True),
    ]
    ran = zoo("export", bundle.layout.root, "--format", "keras", "-o", tmp_path / "keras")
    assert ran.exit_code == 0, ran.exception
