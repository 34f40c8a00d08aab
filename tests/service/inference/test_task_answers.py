"""Every task on the wire and in the client, for images and for texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from graft.bundle.open_bundle import BundleLayout
from graft.errors import BadRequest
from service import Client, Prediction, Tags, Value
from service.models.engine import OnnxEngine
from service.models.registry import ModelRegistry
from tests.support.fakes import LABELS, FakeEngine, picture, tiny_bundle
from tests.support.service.serving import Serving
from tests.support.text_fakes import tiny_text_bundle

TASKS = ("classify", "tag", "regress", "embed")
SAMPLES: dict[str, Any] = {"image": picture("gray"), "text": "the fish is no golden sample"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for task in TASKS:
        tiny_bundle(folder, f"image-{task}", task=task)
        tiny_text_bundle(folder, f"text-{task}", task=task)
    return folder


@pytest.fixture
def http(serving: Serving) -> TestClient:
    return serving(FakeEngine(scores=(0.2, 0.9, 0.6)))


def ask(http: TestClient, model: str, verb: str = "predict") -> Any:
    return http.post(f"/v1/models/{model}:{verb}", content=SAMPLES[model.split("-")[0]])


@pytest.mark.parametrize("kind", SAMPLES)
def test_tag_answer_has_the_labels_above_their_thresholds(http: TestClient, kind: str) -> None:
    facts = ask(http, f"{kind}-tag").json()
    (one,) = facts["predictions"]
    assert (facts["model"], facts["version"], list(one)) == (f"{kind}-tag", 1, ["tags", "top"])
    assert [tag["label"] for tag in one["tags"]] == ["green", "blue"]
    assert [tag["label"] for tag in one["top"]] == ["green", "blue", "red"]
    top1 = http.post(f"/v1/models/{kind}-tag:predict?top=1", content=SAMPLES[kind]).json()["predictions"][0]
    assert (len(top1["tags"]), len(top1["top"])) == (2, 1)


@pytest.mark.parametrize(("score", "tags"), [(0.5, 3), (0.4999, 0)])
def test_tag_threshold_is_inclusive_and_there_may_be_no_tag(serving: Serving, score: float, tags: int) -> None:
    http = serving(FakeEngine(scores=(score,) * 3))
    (one,) = ask(http, "text-tag").json()["predictions"]
    assert (len(one["tags"]), len(one["top"])) == (tags, 3)


@pytest.mark.parametrize("kind", SAMPLES)
def test_regress_answer_is_a_value(serving: Serving, kind: str) -> None:
    http = serving(FakeEngine(scores=(-312.5,)))
    assert ask(http, f"{kind}-regress").json()["predictions"] == [{"value": -312.5}]
    rows = http.post("/v1/models/text-regress:predict", json={"instances": ["a cat", "a dog"]}).json()
    assert rows == {"predictions": [[-312.5], [-312.5]]}


@pytest.mark.parametrize("kind", SAMPLES)
def test_embed_works_for_every_task_and_predict_not_for_embed(http: TestClient, kind: str) -> None:
    for task in TASKS:
        assert np.shape(ask(http, f"{kind}-{task}", "embed").json()["embeddings"]) == (1, 6)
    answer = ask(http, f"{kind}-embed")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert f"/v1/models/{kind}-embed:embed" in answer.json()["error"]


@pytest.mark.parametrize("kind", SAMPLES)
def test_client_answer_type_follows_the_task(http: TestClient, kind: str) -> None:
    client, sample = Client(http=http), SAMPLES[kind]
    classified, tagged, value = (client.predict(f"{kind}-{task}", sample) for task in TASKS[:3])
    assert isinstance(classified, Prediction)
    assert classified.label == "green"
    assert isinstance(tagged, Tags)
    assert [tag.label for tag in tagged.tags] == ["green", "blue"]
    assert isinstance(value, Value)
    assert client.predict(f"{kind}-regress", [sample] * 2) == [value] * 2
    assert client.embed(f"{kind}-embed", sample).shape == (6,)
    with pytest.raises(BadRequest, match=":embed"):
        client.predict(f"{kind}-embed", sample)


def test_metadata_has_the_task_and_its_fields(http: TestClient) -> None:
    facts = {task: http.get(f"/v1/models/text-{task}/metadata").json() for task in TASKS}
    assert {task: tuple(one["labels"]) for task, one in facts.items()} == LABELS
    assert facts["tag"]["head"]["thresholds"] == [0.5] * 3
    assert facts["regress"]["head"]["unit"] == 1
    assert [len(facts[task]["signature"]["outputs"]) for task in TASKS] == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("tag", {"head": {"kind": "logistic"}}),
        ("tag", {"head": {"thresholds": [0.5]}}),
        ("tag", {"head": {"thresholds": [0.5, "x", 0.5]}}),
        ("tag", {"head": {"thresholds": [0.5, None, 0.5]}}),
        ("regress", {"labels": []}),
        ("regress", {"task": "embed"}),
        ("embed", {"labels": ["a"]}),
        ("embed", {"task": "classify"}),
        ("classify", {"task": "regress"}),
        ("classify", {"task": "detect"}),
        ("classify", {"input": {"kind": "sound"}}),
    ],
)
def test_model_whose_manifest_contradicts_its_task_is_refused(models: Path, task: str, changes: dict[str, Any]) -> None:
    layout = BundleLayout(models / f"text-{task}" / "1")
    layout.manifest.write_text(json.dumps(json.loads(layout.manifest.read_text()) | changes))
    served = ModelRegistry(models, OnnxEngine(), 1)
    served.refresh()
    assert served.get_entries(f"text-{task}")[1].refusal
    assert len(served.names()) == 2 * len(TASKS) - 1


def test_text_model_without_its_tokenizer_is_refused(models: Path) -> None:
    layout = BundleLayout(models / "text-tag" / "1")
    facts = json.loads(layout.manifest.read_text())
    del facts["files"]["tokenizer.json"]
    layout.manifest.write_text(json.dumps(facts))
    served = ModelRegistry(models, OnnxEngine(), 1)
    served.refresh()
    assert "has no matching SHA-256 for tokenizer.json" in (served.get_entries("text-tag")[1].refusal or "")
