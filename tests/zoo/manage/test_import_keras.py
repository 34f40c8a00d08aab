"""`zoo import`: a user's own Keras model, checked before Keras sees it, opened without a network, proven."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from graft.bundle.open_bundle import open_bundle
from graft.errors import RecipeError
from tests.support.zoo.keras_archives import layer_config, write_keras_archive
from zoo.cli.main import cli
from zoo.cli.options import read_labels
from zoo.manage.check_keras_file import check_allowed_classes


def zoo(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def refused(*words: object) -> str:
    ran = zoo("import", *words, "--labels", "labels.txt")
    assert isinstance(ran.exception, RecipeError), ran.output
    assert not Path("models").exists()
    return str(ran.exception)


def test_import_keras_model_becomes_a_proven_bundle(keras_models_folder: Path) -> None:
    ran = zoo("import", "plain.keras", "--labels", "labels.txt", "--scaling", "raw", "--json")
    assert ran.exit_code == 0, ran.exception
    facts = json.loads(ran.stdout)
    bundle = open_bundle(Path(facts["path"]))
    manifest, golden = bundle.manifest, bundle.read_golden()
    assert (manifest.name, manifest.task, manifest.labels) == ("plain", "classify", ("cat", "dog", "fish"))
    assert manifest.input["size"] == 16
    assert np.allclose(golden.scores.sum(1), 1, atol=1e-5)
    assert facts["parity"]["off"] <= 1e-4 * facts["parity"]["largest"]
    assert "audit hook" in facts["alone"]
    assert {"model.keras", "trunk.onnx", "head.onnx", "golden.npz"} <= manifest.files.keys()


@pytest.mark.slow
def test_import_keras_requires_the_pixel_scaling(keras_models_folder: Path) -> None:
    message = refused("plain.keras")
    assert message.endswith("(raw: 0 to 255, unscaled).")
    assert "--scaling raw, unit_signed, lite, half_range, caffe, torch (raw" in message
    assert "WARNING" not in message
    assert zoo("import", "bytes.keras", "--labels", "labels.txt").exit_code == 0


@pytest.mark.slow
def test_import_keras_custom_layer_must_be_named(keras_models_folder: Path) -> None:
    assert "--custom mylayers:Twice" in refused("custom.keras", "--scaling", "raw")
    named = ("--custom", "mylayers:Twice", "--name", "twice")
    ran = zoo("import", "custom.keras", "--labels", "labels.txt", "--scaling", "raw", *named)
    assert ran.exit_code == 0, ran.exception
    assert open_bundle(keras_models_folder / "models/twice/1").manifest.data["custom"] == ["mylayers:Twice"]


def test_import_keras_sandbox_blocks_network(keras_models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        monkeypatch.setenv("calling", str(server.getsockname()[1]))
        message = refused("calls.keras", "--scaling", "raw", "--custom", "mylayers:Calls")
        with pytest.raises(TimeoutError):
            server.accept()
    assert "may not open a connection" in message


@pytest.mark.parametrize("also", [(), ("--custom", "keras.layers:Lambda")])
def test_import_keras_refuses_lambda_layers(also: tuple[str, ...], keras_models_folder: Path) -> None:
    message = refused("lambda.keras", "--scaling", "raw", *also)
    assert "Lambda in the layer" in message
    assert "carries code" in message


@pytest.mark.slow
def test_import_keras_unsupported_outputs_are_refused_with_advice(keras_models_folder: Path) -> None:
    assert "--scores softmax" in refused("logits.keras", "--scaling", "raw")
    assert "a Conv2D. Required: a functional" in refused("maps.keras", "--scaling", "raw")
    assert "Models of text or other arrays cannot be imported" in refused("row.keras", "--scaling", "raw")
    assert "add --size PIXELS" in refused("open.keras", "--scaling", "raw")
    assert "of 16 x 16 pixels; leave out --size 24" in refused("plain.keras", "--scaling", "raw", "--size", "24")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "task"),
    [
        (("logits.keras", "--scores", "softmax"), "classify"),
        (("tags.keras",), "tag"),
        (("open.keras", "--size", "24"), "classify"),
    ],
)
def test_import_keras_logits_tags_and_open_size(words: tuple[str, ...], task: str, keras_models_folder: Path) -> None:
    ran = zoo("import", *words, "--labels", "labels.txt", "--scaling", "unit_signed", "--name", "m", "--json")
    assert ran.exit_code == 0, ran.exception
    assert json.loads(ran.stdout)["task"] == task


@pytest.mark.slow
def test_import_keras_label_count_must_equal_the_scores(keras_models_folder: Path) -> None:
    (keras_models_folder / "labels.txt").write_text("cat\ndog\n")
    assert "gives 3 scores, and there are 2 labels" in refused("plain.keras", "--scaling", "raw")


@pytest.mark.parametrize(("text", "why"), [("a\na\n", "'a' twice"), ("a\n\nb", "an empty line"), ("", "no label")])
def test_import_keras_invalid_labels_file_is_refused(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(RecipeError, match=why):
        read_labels(tmp_path / "labels.txt")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (layer_config("Lambda", "keras.layers"), "carries code"),
        (layer_config("TFSMLayer", "keras.layers", filepath="x"), "opens a SavedModel"),
        (layer_config("StringLookup", "keras.layers", vocabulary="/etc/passwd"), "reads a file"),
        (layer_config("get_file", "keras.utils"), "not a class of Keras"),
        (layer_config("run", "subprocess"), "--custom subprocess:run"),
        (layer_config("Dense", None), "--custom MODULE:Dense"),
        (layer_config("Twice", "kerashelpers.layers"), "not a class of Keras"),
        (
            layer_config("Bidirectional", "keras.layers", layer_config=layer_config("Lambda", "keras.layers")),
            "carries code",
        ),
        ({"class_name": "__lambda__", "config": {"value": "4wAAAA"}}, "carries code"),
    ],
)
def test_import_keras_refuses_nested_unsafe_layers(found: dict[str, Any], why: str, tmp_path: Path) -> None:
    model = {"class_name": "Functional", "module": "keras.src.models.functional", "config": {"layers": [found]}}
    with pytest.raises(RecipeError, match=why):
        check_allowed_classes(write_keras_archive(tmp_path / "odd.keras", model), ())


def test_import_keras_refuses_other_files(tmp_path: Path) -> None:
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(RecipeError, match=r"Older \.h5 files"):
        check_allowed_classes(tmp_path / "old.h5", ())
    with pytest.raises(RecipeError, match=r"holds assets/x\.txt"):
        check_allowed_classes(write_keras_archive(tmp_path / "more.keras", {}, "assets/x.txt"), ())
    with pytest.raises(RecipeError, match="does not exist"):
        check_allowed_classes(tmp_path / "none.keras", ())
