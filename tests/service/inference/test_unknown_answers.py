"""A model that may say "unknown": on every wire, in the client, from the command; others stay as they are."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from graft.bundle.open_bundle import BundleLayout
from service import Client, Prediction
from service.cli import predict
from service.models.engine import OnnxEngine
from service.models.registry import ModelRegistry
from tests.support.fakes import SIZE, FakeEngine, picture, tiny_bundle
from tests.support.service.server_process import running
from tests.support.service.serving import Serving
from tests.support.wait import until

# The length of the tiny trunk's features: a dark picture is short of the threshold, a bright one beyond it.
DARK, BRIGHT = picture((40, 10, 10)), picture((250, 240, 255))
AT = 5.0


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository with `plain`, which always knows, and `picky`."""
    folder = tmp_path / "models"
    tiny_bundle(folder, "plain")
    tiny_bundle(folder, "picky", threshold=AT)
    return folder


@pytest.fixture
def http(serving: Serving) -> TestClient:
    return serving()


def said(http: TestClient, model: str, sample: bytes, query: str = "") -> dict[str, Any]:
    answer = http.post(f"/v1/models/{model}:predict{query}", content=sample)
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["predictions"]
    return one


def test_unknown_label_and_novelty_over_http(http: TestClient) -> None:
    known, new = said(http, "picky", DARK), said(http, "picky", BRIGHT)
    assert list(known) == list(new) == ["label", "probability", "top", "novelty", "threshold"]
    assert known["threshold"] == new["threshold"] == AT
    assert known["novelty"] < AT < new["novelty"]
    assert known["label"] == known["top"][0]["label"]
    assert new["label"] == "unknown"


def test_unknown_answer_still_has_its_top_k_classes(http: TestClient) -> None:
    new, plain = said(http, "picky", BRIGHT), said(http, "plain", BRIGHT)
    assert new["top"] == plain["top"]
    assert new["probability"] == plain["top"][0]["probability"]
    assert "unknown" not in {one["label"] for one in new["top"]}
    assert len(said(http, "picky", BRIGHT, "?top=1")["top"]) == 1


def test_models_without_unknown_answer_as_before(http: TestClient) -> None:
    assert list(said(http, "plain", BRIGHT)) == ["label", "probability", "top"]


@pytest.mark.parametrize(("novelty", "label"), [(AT, "green"), (np.nextafter(np.float32(AT), 9), "unknown")])
def test_unknown_threshold_is_inclusive(serving: Serving, novelty: float, label: str) -> None:
    http = serving(FakeEngine(scores=(0.2, 0.7, 0.1, novelty)))
    assert said(http, "picky", picture("gray"))["label"] == label


def test_non_finite_novelty_is_500(serving: Serving) -> None:
    answer = serving(FakeEngine(scores=(0.2, 0.7, 0.1, float("nan")))).post(
        "/v1/models/picky:predict", content=picture("gray")
    )
    assert (answer.status_code, answer.json()["code"]) == (500, "server_failed")


def test_client_shows_unknown_and_novelty(http: TestClient) -> None:
    client = Client(http=http)
    known, new = client.predict("picky", [DARK, BRIGHT])
    plain = client.predict("plain", BRIGHT)
    assert isinstance(known, Prediction)
    assert isinstance(new, Prediction)
    assert isinstance(plain, Prediction)
    assert (known.label, new.label) == (known.top[0].label, "unknown")
    assert known.novelty is not None
    assert new.novelty is not None
    assert known.novelty < AT == known.threshold == new.threshold < new.novelty
    assert (plain.novelty, plain.threshold) == (None, None)


@pytest.mark.parametrize(("key", "body"), [("predictions", "instances"), ("outputs", "inputs")])
def test_unknown_leaves_tensorflow_serving_scores_unchanged(http: TestClient, key: str, body: str) -> None:
    facts = {body: [{"b64": base64.b64encode(BRIGHT).decode()}]}
    ours, plain = (http.post(f"/v1/models/{name}:predict", json=facts).json() for name in ("picky", "plain"))
    assert ours == plain
    assert np.shape(ours[key]) == (1, 3)


def test_infer_has_novelty_as_third_output(http: TestClient) -> None:
    pixels = np.stack([np.full((SIZE, SIZE, 3), 20, np.uint8), np.full((SIZE, SIZE, 3), 250, np.uint8)])
    tensor = {"name": "image", "shape": list(pixels.shape), "datatype": "UINT8", "data": pixels.ravel().tolist()}

    def ask(*wanted: str, **parameters: bool) -> Any:
        facts = {"inputs": [tensor], "outputs": [{"name": one} for one in wanted], "parameters": parameters}
        return http.post("/v2/models/picky/infer", json=facts)

    outputs = {one["name"]: one for one in ask().json()["outputs"]}
    assert {name: one["shape"] for name, one in outputs.items()} == {
        "features": [2, 6], "scores": [2, 3], "novelty": [2],
    }  # fmt: skip
    features = np.array(outputs["features"]["data"]).reshape(2, 6)
    np.testing.assert_allclose(outputs["novelty"]["data"], np.linalg.norm(features, axis=1), rtol=1e-5)
    (alone,) = ask("novelty").json()["outputs"]
    assert alone == outputs["novelty"]
    raw = ask("novelty", binary_data_output=True).content
    np.testing.assert_array_equal(np.frombuffer(raw[-8:], "<f4"), np.array(alone["data"], np.float32))
    signature = http.get("/v1/models/picky/metadata").json()["signature"]
    assert signature["outputs"][2] == {"name": "novelty", "dtype": "float32", "shape": [-1]}


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `predict` on a dark and a bright picture."""
    (tmp_path / "dark.png").write_bytes(DARK)
    (tmp_path / "light.png").write_bytes(BRIGHT)
    monkeypatch.chdir(tmp_path)

    def ran(model: str, *arguments: str) -> str:
        result = CliRunner().invoke(predict, [model, "dark.png", "light.png", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return ran


def test_predict_prints_unknown_in_every_format(run: Callable[..., str]) -> None:
    dark, light = run("picky").splitlines()
    assert "unknown" not in dark
    assert "unknown (novelty " in light
    assert "known up to 5)" in light
    dark, light = json.loads(run("picky", "--json"))["predictions"]
    assert (light["label"], light["threshold"]) == ("unknown", AT)
    assert dark["novelty"] < AT < light["novelty"]
    dark, light = csv.DictReader(run("picky", "--csv", "-", "--top", "2").splitlines())
    assert list(light) == [
        "file", "label", "probability", "label_2", "probability_2", "best", "novelty", "threshold", "error",
    ]  # fmt: skip
    assert (dark["label"], light["label"]) == (dark["best"], "unknown")
    assert light["best"] in ("red", "green", "blue")
    assert float(light["novelty"]) > float(light["threshold"]) == AT


def test_predict_without_unknown_prints_as_before(run: Callable[..., str]) -> None:
    assert list(json.loads(run("plain", "--json"))["predictions"][0]) == ["file", "label", "probability", "top"]
    assert run("plain", "--csv", "-", "--top", "1").splitlines()[0] == "file,label,probability,error"
    assert "novelty" not in run("plain")


def test_predict_url_prints_unknown_like_local_models(run: Callable[..., str], models: Path) -> None:
    here = json.loads(run("picky", "--json"))["predictions"]
    with running(models) as server:
        until(lambda: "ready: " in server.log)
        there = json.loads(run("picky", "--json", "--url", server.url))["predictions"]
        header = run("picky", "--csv", "-", "--url", server.url).splitlines()[0]
    assert header == run("picky", "--csv", "-").splitlines()[0]
    for one, other in zip(here, there, strict=True):
        assert list(one) == list(other)
        assert (one["label"], one["threshold"]) == (other["label"], other["threshold"])
        assert one["novelty"] == pytest.approx(other["novelty"], rel=1e-4)  # it may have gone in a batch


@pytest.mark.parametrize(
    "changes",
    [
        {"head": {"kind": "logistic"}},
        {"head": {"novelty": {}}},
        {"head": {"novelty": {"threshold": None}}},
        {"head": {"novelty": {"threshold": True}}},
        {"head": {"novelty": {"threshold": "5"}}},
        {"labels": ["red", "green", "unknown"]},
        {"task": "tag", "head": {"thresholds": [0.5] * 3, "novelty": {"threshold": 5.0}}},
    ],
)
def test_model_with_an_invalid_unknown_manifest_is_refused(models: Path, changes: dict[str, Any]) -> None:
    layout = BundleLayout(models / "picky" / "1")
    layout.manifest.write_text(json.dumps(json.loads(layout.manifest.read_text()) | changes))
    served = ModelRegistry(models, OnnxEngine(), 1)
    served.refresh()
    assert "novelty" in (served.get_entries("picky")[1].refusal or "")
    assert served.names() == ["plain"]


@pytest.mark.parametrize(("name", "shape"), [("strangeness", [-1]), ("novelty", [-1, 1])])
def test_model_with_an_invalid_novelty_signature_is_refused(models: Path, name: str, shape: list[int]) -> None:
    layout = BundleLayout(models / "picky" / "1")
    facts = json.loads(layout.manifest.read_text())
    facts["signature"]["outputs"][2] |= {"name": name, "shape": shape}
    layout.manifest.write_text(json.dumps(facts))
    served = ModelRegistry(models, OnnxEngine(), 1)
    served.refresh()
    assert served.get_entries("picky")[1].refusal
