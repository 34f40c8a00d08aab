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

from tests.fakes import LABELS, tiny_bundle
from tests.text_fakes import TEXTS, tiny_text_bundle, tiny_text_input
from zoo.bundle import Bundle
from zoo.cli import cli
from zoo.errors import BundleUnsupported, PublishFailed, RecipeError, ReplayFailed, UnknownModel, UnknownVersion
from zoo.export.folder import made_whole
from zoo.export.found import found
from zoo.export.run import export
from zoo.progress import Silence
from zoo.publish import publish
from zoo.trunk import open_session

FACTS = ("README.md", "graft.json")


def zoo(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def props(path: Path) -> dict[str, Any]:
    return {prop.key: json.loads(prop.value) for prop in onnx.load(path).metadata_props}


@pytest.mark.parametrize("task", LABELS)
def test_one_onnx_file_answers_as_the_bundle(task: str, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models", task=task)
    made = export(bundle, "onnx", tmp_path / "out", Silence())
    session = open_session(made.folder / "model.onnx")
    golden, told = bundle.golden(), [tensor.name for tensor in bundle.manifest.signature.outputs]
    assert [tensor.name for tensor in session.get_outputs()] == told
    picture = np.full((2, 8, 8, 3), (255, 0, 0), np.uint8)
    answers = dict(zip(told, session.run(None, {"image": picture}), strict=True))
    assert np.allclose(answers["features"][1], golden.features[0], atol=1e-6)
    if "scores" in told:
        assert np.allclose(answers["scores"][1], golden.scores[0], atol=1e-6)
    assert props(made.folder / "model.onnx")["graft.labels"] == list(LABELS[task])
    files = {path.name for path in made.folder.iterdir()}
    assert files == {"model.onnx", *FACTS, *(["labels.txt"] if LABELS[task] else [])}


def test_novelty_comes_along_with_its_threshold(tmp_path: Path) -> None:
    made = export(tiny_bundle(tmp_path / "models", threshold=3.0), "onnx", tmp_path / "out", Silence())
    session = open_session(made.folder / "model.onnx")
    features, novelty = session.run(["features", "novelty"], {"image": np.ones((4, 8, 8, 3), np.uint8)})
    assert np.allclose(novelty, np.linalg.norm(features, axis=1))
    facts = json.loads((made.folder / "graft.json").read_text())
    assert facts["head"]["novelty"]["threshold"] == 3.0
    assert "novelty is above 3 is unknown" in (made.folder / "README.md").read_text()


def test_texts_take_token_ids_and_their_tokenizer_comes_along(tmp_path: Path) -> None:
    bundle = tiny_text_bundle(tmp_path / "models")
    made = export(bundle, "onnx", tmp_path / "out", Silence())
    inputs = tiny_text_input()
    arrays = inputs.batch([inputs(text.encode()) for text in TEXTS])
    (scores,) = open_session(made.folder / "model.onnx").run(["scores"], arrays)
    assert np.allclose(scores, bundle.golden().scores, atol=1e-5)
    assert (made.folder / "tokenizer.json").read_bytes() == bundle.layout.tokenizer.read_bytes()
    assert "tokenizer.json" in (made.folder / "README.md").read_text()


@pytest.mark.parametrize("text", [False, True])
def test_the_readmes_example_runs(text: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_text_bundle(tmp_path / "models") if text else tiny_bundle(tmp_path / "models")
    made = export(bundle, "onnx", tmp_path / "out", Silence())
    monkeypatch.chdir(made.folder)
    example = Path("README.md").read_text().split("```python\n")[1].split("```")[0]
    ids = np.ones((2, 5), np.int32)
    names = {"image": np.zeros((2, 8, 8, 3), np.uint8), "token_ids": ids, "padding_mask": ids}
    exec(example, names)  # noqa: S102
    assert names["scores"].shape == (2, 3)


def test_what_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), made_whole(tmp_path / "out") as draft:
        (draft / "half").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_kill_leaves_is_swept_by_the_next_run_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom zoo.export.folder import made_whole\n"
        "with made_whole(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'half').write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for target in ("out", "out", "other"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / target)], check=False)
    users = tmp_path / ".out.draft-mine"
    users.mkdir()
    assert len(list(tmp_path.glob(".out.draft-*/half"))) == 1  # the second swept the first one's
    with made_whole(tmp_path / "out"):
        pass
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".other."))
    assert names == [".out.draft-mine", "out"]
    assert len(list(tmp_path.glob(".other.draft-*/half"))) == 1  # of another target: its own next run sweeps it


def test_what_another_run_is_making_is_not_swept(tmp_path: Path) -> None:
    with pytest.raises(PublishFailed, match="is there already"), made_whole(tmp_path / "out") as first:
        (first / "half").write_text("half")
        with made_whole(tmp_path / "out") as second:
            (second / "whole").write_text("whole")
        assert (first / "half").is_file()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "whole"]


def test_the_same_bundle_gives_the_same_bytes(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models", threshold=3.0)
    one, other = (export(bundle, "onnx", tmp_path / name, Silence()).folder / "model.onnx" for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()


def test_a_triton_repository_takes_one_model_after_another(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    export(tiny_bundle(tmp_path / "models", "colors", threshold=3.0), "triton", repository, Silence())
    export(tiny_text_bundle(tmp_path / "models", "topics"), "triton", repository, Silence())
    assert sorted(path.name for path in repository.iterdir()) == ["colors", "topics"]
    assert (repository / "colors/1/model.onnx").is_file()
    assert (repository / "colors/labels.txt").read_text() == "red\ngreen\nblue\n"


def test_tritons_own_schema_reads_the_configuration(tmp_path: Path) -> None:
    schema, parse = pytest.importorskip("tritonclient"), pytest.importorskip("google.protobuf.text_format").Parse
    messages = _module(Path(schema.__path__[0]) / "grpc/model_config_pb2.py")
    made = export(tiny_bundle(tmp_path / "models", threshold=3.0), "triton", tmp_path / "out", Silence())
    config = parse((made.folder / "config.pbtxt").read_text(), messages.ModelConfig())
    graph = open_session(made.folder / "1/model.onnx")
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


def with_other_answers(bundle: Bundle, models: Path) -> Bundle:
    """Publish the same bundle once more, its golden scores turned round: whole by its hashes, wrong by its answers."""
    golden = bundle.golden()
    turned = dataclasses.replace(golden, scores=golden.scores[:, ::-1].copy())
    layout, manifest = bundle.layout, dataclasses.replace(bundle.manifest, files={})
    head = layout.head.read_bytes()
    return publish(models, manifest, trunk=layout.trunk, head=head, golden=turned, extras={})


@pytest.mark.parametrize("form", ["onnx", "triton"])
def test_other_answers_leave_nothing(form: Any, tmp_path: Path) -> None:
    wrong = with_other_answers(tiny_bundle(tmp_path / "models"), tmp_path / "models")
    (tmp_path / "out").mkdir()
    with pytest.raises(ReplayFailed, match=r"ONNX Runtime .* does not repeat .*Nothing was exported"):
        export(wrong, form, tmp_path / "out" / "new", Silence())
    assert not list((tmp_path / "out").rglob("*.*"))


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(PublishFailed, match="is there already"):
        export(tiny_bundle(tmp_path / "models"), "onnx", tmp_path / "out", Silence())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_bundle_cannot_name_a_folder_elsewhere(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    stray = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, name="../stray"))
    with pytest.raises(RecipeError, match="cannot be called"):
        export(stray, "triton", tmp_path / "out", Silence())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "tiny-trunks"]


def test_a_head_of_another_opset_is_refused(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    head = onnx.load(bundle.layout.head)
    head.opset_import[0].version = 15
    layout, manifest = bundle.layout, dataclasses.replace(bundle.manifest, files={})
    other = publish(
        tmp_path / "models",
        manifest,
        trunk=layout.trunk,
        head=head.SerializeToString(),
        golden=bundle.golden(),
        extras={},
    )
    with pytest.raises(BundleUnsupported, match="do not fit into one graph"):
        export(other, "onnx", tmp_path / "out", Silence())


def test_models_are_named_by_folder_or_version(tmp_path: Path) -> None:
    models = tmp_path / "models"
    tiny_bundle(models)
    tiny_bundle(models, seed=1)
    assert found(models / "tiny").manifest.version == 2
    assert found(models / "tiny" / "1").manifest.version == 1
    with pytest.raises(UnknownVersion, match="has no version 7; it has 1, 2"):
        found(models / "tiny" / "7")
    with pytest.raises(UnknownModel, match="no published model"):
        found(tmp_path)


def test_the_command_tells_what_it_proved(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "models")
    ran = zoo("export", tmp_path / "models/tiny", "--format", "onnx", "-o", tmp_path / "a")
    assert ran.exit_code == 0, ran.output
    assert "3 golden samples in ONNX Runtime" in ran.stdout
    ran = zoo("export", tmp_path / "models/tiny", "--format", "triton", "-o", tmp_path / "b", "--json")
    facts = json.loads(ran.stdout)
    assert facts["files"] == ["config.pbtxt", "1/model.onnx"]
    assert facts["proof"]["samples"] == 3


@pytest.mark.parametrize(
    "words", ["export m --format onnx -o out", "publish efficientnet_lite0", "import m.keras --labels labels.txt"]
)
def test_what_is_not_installed_is_told_with_what_to_install(words: str) -> None:
    script = f"import sys; sys.modules['onnx'] = None; sys.argv[1:] = {words.split()}; from zoo.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == 'error: this needs onnx, not installed here. Run: pip install "keras-graft[train]".\n'
