"""`zoo export` into SavedModel, Keras' own file and TFLite: each proven in its own runtime, or not made."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from graft.bundle.open_bundle import open_bundle
from graft.bundle.publish import publish
from graft.errors import BundleUnsupported, RecipeError, ReplayFailed
from tests.support.fakes import tiny_bundle
from tests.support.paths import REPOSITORY
from tests.support.wrong_bundle import reverse_golden_scores
from tests.support.zoo.keras_archives import layer_config, write_keras_archive
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.cli.main import cli

PLAIN = ("plain.keras", "--labels", "labels.txt", "--scaling", "raw")


def zoo(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def run_zoo(*words: object) -> str:
    result = zoo(*words)
    assert result.exit_code == 0, result.exception
    return result.stdout


def run_python(*words: str, cwd: Path | None = None) -> None:
    """Run Python in a child process, so that no TensorFlow is imported here; fail with its standard error."""
    result = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=cwd)
    assert result.returncode == 0, result.stderr


@pytest.mark.usefixtures("keras_models_folder")
def test_export_tflite_of_an_imported_model() -> None:
    run_zoo("import", *PLAIN)
    facts = json.loads(run_zoo("export", "models/plain", "--format", "tflite", "-o", "out", "--json"))
    assert facts["files"] == ["model.tflite"]
    assert "LiteRT" in facts["proof"]["runtime"]
    assert facts["proof"]["off"] <= 1e-3
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "README.md",
        "graft.json",
        "labels.txt",
        "model.tflite",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("keras_models_folder")
def test_export_saved_model_and_keras_open_without_graft() -> None:
    run_zoo("import", *PLAIN)
    golden = open_bundle(Path("models/plain/1")).read_golden()
    for form in ("saved_model", "keras"):
        facts = json.loads(run_zoo("export", "models/plain", "--format", form, "-o", form, "--json"))
        assert facts["proof"]["samples"] == 2
        example = Path(form, "README.md").read_text().split("```python\n")[1].split("```")[0]
        prepare = "import numpy as np, tensorflow as tf\nimage = tf.zeros((2, 16, 16, 3), tf.uint8)\n"
        run_python("-c", f"{prepare}{example}\nnp.save('scores.npy', np.asarray(scores))", cwd=Path(form))
        scores = np.load(Path(form, "scores.npy"))
        assert scores.shape == (2, golden.scores.shape[1])
        np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("keras_models_folder")
def test_export_keras_custom_layers_must_be_named() -> None:
    named = ("--custom", "mylayers:Twice")
    run_zoo("import", "custom.keras", *PLAIN[1:], *named)
    result = zoo("export", "models/custom", "--format", "keras", "-o", "out")
    assert isinstance(result.exception, BundleUnsupported)
    assert "Name custom layers by --custom" in str(result.exception)
    assert "mylayers:Twice" in run_zoo("export", "models/custom", "--format", "keras", "-o", "out", *named)


@pytest.mark.slow
@pytest.mark.usefixtures("keras_models_folder")
@pytest.mark.parametrize(
    ("precision", "error", "why"),
    [("fp32", ReplayFailed, "Keras 3"), ("int8", BundleUnsupported, "no exact Keras form.*--precision fp32")],
)
def test_export_keras_that_fails_parity_is_discarded(precision: str, error: type[Exception], why: str) -> None:
    run_zoo("import", *PLAIN)
    reverse_golden_scores(open_bundle(Path("models/plain/1")), precision=precision)
    result = zoo("export", "models/plain", "--format", "keras", "-o", "out/new")
    assert isinstance(result.exception, error)
    assert re.search(why, str(result.exception))
    assert not list(Path("out").iterdir())


def test_export_keras_without_a_keras_model_is_refused(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "models")
    result = zoo("export", tmp_path / "models/tiny", "--format", "keras", "-o", tmp_path / "out")
    assert isinstance(result.exception, BundleUnsupported)
    assert "has no model.keras" in str(result.exception)
    assert "Export it as onnx" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_export_keras_checks_the_bundles_model_for_unsafe_layers(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    layout, manifest = bundle.layout, dataclasses.replace(bundle.manifest, files={})
    model = write_keras_archive(
        tmp_path / "odd.keras", layer_config("TFSMLayer", "keras.layers", filepath="x")
    ).read_bytes()
    head, extras = layout.head.read_bytes(), {"model.keras": model}
    publish(tmp_path / "models", manifest, trunk=layout.trunk, head=head, golden=bundle.read_golden(), extras=extras)
    result = zoo("export", tmp_path / "models/tiny", "--format", "keras", "-o", tmp_path / "out")
    assert isinstance(result.exception, RecipeError)
    assert "opens a SavedModel" in str(result.exception)


@pytest.mark.slow
@pytest.mark.usefixtures("shared_weights")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_export_saved_model_of_a_catalog_backbone(precision: str, tmp_path: Path) -> None:
    run_zoo("publish", DEFAULT_IMAGE_BACKBONE, "--models", tmp_path / "models", "--precision", precision)
    model = tmp_path / "models/efficientnet_lite0"
    facts = json.loads(run_zoo("export", model, "--format", "saved_model", "-o", tmp_path / "out", "--json"))
    assert facts["proof"]["off"] <= (1e-5 if precision == "fp32" else 0.05)
    assert any("computes in fp32" in note for note in facts["notes"]) == (precision == "int8")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["distance", "energy"])
def test_export_keras_novelty_equals_onnx(kind: str, tmp_path: Path) -> None:
    run_python("-m", "tests.support.presets.novelty_in_keras", kind, str(tmp_path), cwd=REPOSITORY)
    with np.load(tmp_path / "answers.npz") as answers:
        for name in ("scores", "novelty"):
            np.testing.assert_allclose(answers[f"keras_{name}"], answers[f"onnx_{name}"], rtol=1e-4, atol=1e-4)
        assert np.ptp(answers["onnx_novelty"]) > 0.1  # the rows differ
