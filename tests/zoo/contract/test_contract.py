"""One contract for every entry of the catalog: it is built, converted, proven, cached and loaded.

Weights are random where no published ones can be had: they prove the graph, not what it knows. Entries whose
networks would be the same are tried once. Trying all takes an hour and a half; `docs/zoo.md` shows what came of it.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from graft.errors import TrunkError
from graft.runtime.session import open_session
from tests.zoo.contract import checks, verdict
from tests.zoo.contract.__main__ import main, record
from tests.zoo.contract.stand_in import stand_in_of
from zoo.catalog.backbone import Backbone, ImageSpec, Scaling, unsupported_reason
from zoo.catalog.find import all_backbones, get_backbone
from zoo.convert.image_trunk import convert_image_trunk
from zoo.convert.networks import build_backbone_network, require_pixels, trunk_from_network
from zoo.convert.networks.random_weights import randomize_weights
from zoo.convert.onnx_graph.keras_to_onnx import image_model_to_onnx

QUICK = ("mobilenet_v3_small.imagenet", "efficientnet_b0.imagenet")  # in every run, at SMALL pixels
SMALL = 96
GIANT = 100_000_000  # parameters; the largest builds in 18 GB


def smaller(name: str, size: int = SMALL) -> Backbone:
    backbone = get_backbone(name)
    return dataclasses.replace(backbone, takes=ImageSpec(size=size, scaling=require_pixels(backbone).scaling))


def alive(backbone: Backbone) -> keras.Model:
    inner = build_backbone_network(backbone, None)
    randomize_weights(inner, require_pixels(backbone).size, require_pixels(backbone).scaling)
    return trunk_from_network(backbone, inner)


@pytest.fixture
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Memory for a trial: those of very large networks wait until no other worker tries one, and keep others off."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    entry = get_backbone(request.node.callspec.params["name"])
    is_giant = (entry.params or 0) > GIANT and not verdict.is_preset(entry)  # a preset's stand-in is never as large
    with (shared / "room").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if is_giant else fcntl.LOCK_SH)
        yield


@pytest.mark.slow
@pytest.mark.contract
@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("name", verdict.groups())
def test_contract_holds_for_every_backbone(name: str) -> None:
    found = verdict.verdict(get_backbone(name))
    assert found["outcome"] == "passes", found["why"]
    assert max(found["parity"].values()) <= 1e-4
    assert found["parity"].keys() == {"1", "7"}


def test_contract_tries_every_buildable_backbone_once() -> None:
    tried = [entry.name for group in verdict.groups().values() for entry in group]
    assert len(tried) == len(set(tried))
    assert set(tried) == {entry.name for entry in all_backbones() if not unsupported_reason(entry)}
    alone = [name for name, group in verdict.groups().items() if len(group) == 1]
    assert len([name for name in alone if get_backbone(name).library == "keras.applications"]) == 40


@pytest.mark.parametrize(
    ("name", "network", "layers"),
    [
        ("bert_base.en", "whole", {"num_layers": 12, "vocabulary_size": 28996}),
        ("bert_large.en", "short", {"num_layers": 2, "hidden_dim": 1024, "vocabulary_size": 2000}),
        ("swin_large_patch4_window7_224", "short", {"depths": (2, 2, 2, 2), "embed_dim": 192}),
        ("siglip_base_patch16_224", "class", {}),
        ("resnet50.cv_imagenet", "whole", {"stackwise_blocks": [3, 4, 6, 3]}),
    ],
)
def test_stand_in_is_as_much_of_the_published_network_as_possible(
    name: str, network: str, layers: dict[str, Any]
) -> None:
    made = stand_in_of(get_backbone(name))
    assert made.network == network
    assert layers.items() <= made.layers.items()


@pytest.mark.parametrize("name", QUICK)
def test_small_backbone_passes_parity_alone_and_in_batches(name: str) -> None:
    backbone = smaller(name)
    model = alive(backbone)
    assert model.count_params() == backbone.params
    _, report = convert_image_trunk(model, SMALL, get_backbone(name).width)
    off, largest = report["parity"]["offs"], report["parity"]["largest"]
    assert len(off) == 2
    assert max(off) <= 1e-4 * largest


def test_grouped_convolution_exact_gelu_and_layer_scale_convert() -> None:
    """What ConvNeXt is made of, in small; the real ones take a minute each."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 4, strides=4)(image)
    y = keras.layers.Conv2D(8, 7, padding="same", groups=8)(x)
    y = keras.layers.Dense(8, activation="gelu")(keras.layers.LayerNormalization()(y))
    inner = keras.Model(image, keras.layers.Add()([x, y]))
    randomize_weights(inner, 16, Scaling.TORCH)
    model = trunk_from_network(smaller("convnext_tiny", 16), inner)
    _, report = convert_image_trunk(model, 16, 8)
    assert report["parity"]["off"] <= 1e-5 * report["parity"]["largest"]


def test_zero_padding_before_max_pooling_stays_zero() -> None:
    """ONNX Runtime would let the pool pad, with the lowest number there is: ResNet V2 was wrong by 5 %."""
    image = keras.Input((16, 16, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(4, 3, kernel_initializer="ones")(-keras.ops.cast(image, "float32") / 255.0)
    x = keras.layers.MaxPooling2D(3, strides=2)(keras.layers.ZeroPadding2D(1)(x))
    model = keras.Model(image, keras.ops.mean(keras.ops.transpose(x, (0, 3, 1, 2)), axis=(2, 3)))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    answer = open_session(image_model_to_onnx(model).SerializeToString()).run(None, {"image": pictures})[0]
    np.testing.assert_allclose(answer, model(pictures), rtol=1e-5)


def test_random_weights_are_deterministic_and_tell_images_apart() -> None:
    backbone = smaller("mobilenet_v3_small", 64)
    one, other = alive(backbone), alive(backbone)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    pictures[1] //= 4
    features = keras.ops.convert_to_numpy(one(pictures))
    assert np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 0.01 * np.abs(features).max()


BUILT = {
    "signature": {"outputs": [{"shape": [-1, 576]}]},
    "params": 939_120,
    "input": {"size": 224},
}


@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        ("width", {"signature": {"outputs": [{"shape": [-1, 577]}]}}),
        ("params", {"params": 939_121}),
        ("size", {"input": {"size": 192}}),
    ],
)
def test_contract_refuses_false_catalog_facts(word: str, wrong: dict[str, Any]) -> None:
    entry, whole = get_backbone("mobilenet_v3_small"), {"network": "whole"}
    checks.check_facts(entry, whole, BUILT)
    with pytest.raises(TrunkError, match=f"{word} is .*declared"):
        checks.check_facts(entry, whole, BUILT | wrong)


@pytest.mark.parametrize("features", [np.ones((2, 4)), np.array([[1, 2], [1, np.nan]])], ids=["equal", "not finite"])
def test_contract_refuses_constant_or_nan_features(features: np.ndarray) -> None:
    with pytest.raises(TrunkError, match="sees nothing"):
        checks.check_alive(features)


def test_contract_refuses_features_unlike_the_librarys() -> None:
    checks.check_same(np.ones((2, 4)), np.full((2, 4), 1.00009))
    with pytest.raises(TrunkError, match="own preprocessing gives other features"):
        checks.check_same(np.ones((2, 4)), np.full((2, 4), 1.0002))


def test_verdict_is_added_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "docs" / "verdicts.json"
    one, alike = get_backbone("all_minilm_l6_v1.en"), get_backbone("all_minilm_l6_v2.en")
    record([get_backbone("vgg16")], {"outcome": "fails"}, file)
    record([one, alike], {"outcome": "passes"}, file)
    assert json.loads(file.read_bytes()) == {
        "vgg16.imagenet": {"outcome": "fails"},
        one.name: {"outcome": "passes"},
        alike.name: {"like": one.name},
    }


@pytest.mark.parametrize(("words", "said"), [(["vgg17"], "Did you mean vgg"), ([], "name at least one backbone")])
def test_contract_unknown_name_is_answered_in_words(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["contract", *words])
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().err
