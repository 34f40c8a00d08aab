"""`zoo export` into ONNX and Triton: the same answers from one file, or no file at all."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from graft.bundle.publish import publish
from graft.errors import BundleUnsupported, PublishFailed, RecipeError, ReplayFailed
from graft.progress import SilentProgress
from graft.runtime.session import open_session
from tests.support.fakes import LABELS, tiny_bundle
from tests.support.text_fakes import TEXTS, tiny_text_bundle, tiny_text_input
from tests.support.wrong_bundle import reverse_golden_scores
from zoo.cli.main import cli
from zoo.export.export import export_bundle

FACTS = ("README.md", "graft.json")


def zoo(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def props(path: Path) -> dict[str, Any]:
    return {prop.key: json.loads(prop.value) for prop in onnx.load(path).metadata_props}


@pytest.mark.parametrize("task", LABELS)
def test_export_onnx_answers_like_the_bundle(task: str, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models", task=task)
    exported = export_bundle(bundle, "onnx", tmp_path / "out", SilentProgress())
    session = open_session(exported.folder / "model.onnx")
    golden, output_names = bundle.read_golden(), [tensor.name for tensor in bundle.manifest.signature.outputs]
    assert [tensor.name for tensor in session.get_outputs()] == output_names
    picture = np.full((2, 8, 8, 3), (255, 0, 0), np.uint8)
    answers = dict(zip(output_names, session.run(None, {"image": picture}), strict=True))
    assert np.allclose(answers["features"][1], golden.features[0], atol=1e-6)
    if "scores" in output_names:
        assert np.allclose(answers["scores"][1], golden.scores[0], atol=1e-6)
    assert props(exported.folder / "model.onnx")["graft.labels"] == list(LABELS[task])
    files = {path.name for path in exported.folder.iterdir()}
    assert files == {"model.onnx", *FACTS, *(["labels.txt"] if LABELS[task] else [])}


def test_export_onnx_includes_novelty_and_its_threshold(tmp_path: Path) -> None:
    exported = export_bundle(
        tiny_bundle(tmp_path / "models", threshold=3.0), "onnx", tmp_path / "out", SilentProgress()
    )
    session = open_session(exported.folder / "model.onnx")
    features, novelty = session.run(["features", "novelty"], {"image": np.ones((4, 8, 8, 3), np.uint8)})
    assert np.allclose(novelty, np.linalg.norm(features, axis=1))
    facts = json.loads((exported.folder / "graft.json").read_text())
    assert facts["head"]["novelty"]["threshold"] == 3.0
    assert "novelty is above 3 is unknown" in (exported.folder / "README.md").read_text()


def test_export_onnx_text_model_includes_its_tokenizer(tmp_path: Path) -> None:
    bundle = tiny_text_bundle(tmp_path / "models")
    exported = export_bundle(bundle, "onnx", tmp_path / "out", SilentProgress())
    inputs = tiny_text_input()
    arrays = inputs.batch([inputs(text.encode()) for text in TEXTS])
    (scores,) = open_session(exported.folder / "model.onnx").run(["scores"], arrays)
    assert np.allclose(scores, bundle.read_golden().scores, atol=1e-5)
    assert (exported.folder / "tokenizer.json").read_bytes() == bundle.layout.tokenizer.read_bytes()
    assert "tokenizer.json" in (exported.folder / "README.md").read_text()


@pytest.mark.parametrize("text", [False, True])
def test_export_readme_example_runs(text: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_text_bundle(tmp_path / "models") if text else tiny_bundle(tmp_path / "models")
    exported = export_bundle(bundle, "onnx", tmp_path / "out", SilentProgress())
    monkeypatch.chdir(exported.folder)
    example = Path("README.md").read_text().split("```python\n")[1].split("```")[0]
    ids = np.ones((2, 5), np.int32)
    names = {"image": np.zeros((2, 8, 8, 3), np.uint8), "token_ids": ids, "padding_mask": ids}
    exec(example, names)  # noqa: S102
    assert names["scores"].shape == (2, 3)


def test_export_onnx_is_deterministic(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models", threshold=3.0)
    one, other = (
        export_bundle(bundle, "onnx", tmp_path / name, SilentProgress()).folder / "model.onnx" for name in ("a", "b")
    )
    assert one.read_bytes() == other.read_bytes()


def test_export_triton_repository_holds_several_models(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    export_bundle(tiny_bundle(tmp_path / "models", "colors", threshold=3.0), "triton", repository, SilentProgress())
    export_bundle(tiny_text_bundle(tmp_path / "models", "topics"), "triton", repository, SilentProgress())
    assert sorted(path.name for path in repository.iterdir()) == ["colors", "topics"]
    assert (repository / "colors/1/model.onnx").is_file()
    assert (repository / "colors/labels.txt").read_text() == "red\ngreen\nblue\n"


def test_export_triton_config_matches_tritons_schema(tmp_path: Path) -> None:
    schema, parse = pytest.importorskip("tritonclient"), pytest.importorskip("google.protobuf.text_format").Parse
    messages = _module(Path(schema.__path__[0]) / "grpc/model_config_pb2.py")
    exported = export_bundle(
        tiny_bundle(tmp_path / "models", threshold=3.0), "triton", tmp_path / "out", SilentProgress()
    )
    config = parse((exported.folder / "config.pbtxt").read_text(), messages.ModelConfig())
    graph = open_session(exported.folder / "1/model.onnx")
    assert [(one.name, list(one.dims)) for one in config.input] == [("image", [8, 8, 3])]
    assert [one.name for one in config.output] == [one.name for one in graph.get_outputs()]
    kinds = [messages.DataType.Name(one.data_type) for one in (*config.input, *config.output)]
    assert kinds == ["TYPE_UINT8", "TYPE_FP32", "TYPE_FP32", "TYPE_FP32"]
    assert config.output[1].label_filename == "labels.txt"
    assert list(config.output[2].dims) == [1]
    assert config.output[2].HasField("reshape")
    assert config.max_batch_size > 0
    assert not config.HasField("dynamic_batching")


def _module(path: Path) -> ModuleType:
    """Load one file of tritonclient: its package wants grpc, which this file does not."""
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("form", ["onnx", "triton"])
def test_export_that_fails_parity_leaves_nothing(form: Any, tmp_path: Path) -> None:
    wrong = reverse_golden_scores(tiny_bundle(tmp_path / "models"))
    (tmp_path / "out").mkdir()
    with pytest.raises(ReplayFailed, match=r"ONNX Runtime .* does not reproduce .*Nothing was exported"):
        export_bundle(wrong, form, tmp_path / "out" / "new", SilentProgress())
    assert not list((tmp_path / "out").rglob("*.*"))


def test_export_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(PublishFailed, match="exists already"):
        export_bundle(tiny_bundle(tmp_path / "models"), "onnx", tmp_path / "out", SilentProgress())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_export_refuses_a_model_name_that_leaves_the_folder(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    stray = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, name="../stray"))
    with pytest.raises(RecipeError, match="cannot be called"):
        export_bundle(stray, "triton", tmp_path / "out", SilentProgress())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "tiny-trunks"]


def test_export_refuses_a_head_of_another_opset(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    head = onnx.load(bundle.layout.head)
    head.opset_import[0].version = 15
    layout, manifest = bundle.layout, dataclasses.replace(bundle.manifest, files={})
    other = publish(
        tmp_path / "models",
        manifest,
        trunk=layout.trunk,
        head=head.SerializeToString(),
        golden=bundle.read_golden(),
        extras={},
    )
    with pytest.raises(BundleUnsupported, match="trunk and head cannot be merged"):
        export_bundle(other, "onnx", tmp_path / "out", SilentProgress())


def test_export_command_reports_its_proof(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "models")
    result = zoo("export", tmp_path / "models/tiny", "--format", "onnx", "-o", tmp_path / "a")
    assert result.exit_code == 0, result.output
    assert "3 golden samples in ONNX Runtime" in result.stdout
    result = zoo("export", tmp_path / "models/tiny", "--format", "triton", "-o", tmp_path / "b", "--json")
    facts = json.loads(result.stdout)
    assert facts["files"] == ["config.pbtxt", "1/model.onnx"]
    assert facts["proof"]["samples"] == 3


@pytest.mark.parametrize(
    "words", ["export m --format onnx -o out", "publish efficientnet_lite0", "import m.keras --labels labels.txt"]
)
def test_missing_package_error_says_what_to_install(words: str) -> None:
    script = (
        f"import sys; sys.modules['onnx'] = None; sys.argv[1:] = {words.split()}; from zoo.cli.main import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == 'error: this needs onnx, not installed here. Run: pip install "keras-graft[train]".\n'
