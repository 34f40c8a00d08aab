"""The ONNX engine: shared trunks, output shapes, refused signatures, concurrent runs."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graft.bundle.open_bundle import Bundle
from graft.bundle.signature import Signature, TensorSpec
from graft.errors import BundleBroken
from service.models.engine import OnnxEngine
from tests.support.fakes import SIZE, WIDTH, tiny_bundle


def test_engine_shares_one_trunk_between_models(tmp_path: Path) -> None:
    engine = OnnxEngine()
    first, second = (engine.open(tiny_bundle(tmp_path / "models", name)) for name in ("a", "b"))
    other = engine.open(tiny_bundle(tmp_path / "models", "c", trunk_seed=1))
    assert first.trunk is second.trunk
    assert first.head is not second.head
    assert other.trunk is not first.trunk


def test_engine_releases_a_trunk_with_its_last_model(tmp_path: Path) -> None:
    engine = OnnxEngine()
    models = [engine.open(tiny_bundle(tmp_path / "models", name)) for name in ("a", "b")]
    trunk = weakref.ref(models[0].trunk)
    models.pop()
    gc.collect()
    assert trunk() is models[0].trunk  # the other model still uses it
    models.pop()
    gc.collect()
    assert trunk() is None


def test_engine_headless_model_has_no_head(tmp_path: Path) -> None:
    assert OnnxEngine().open(tiny_bundle(tmp_path / "models", task="embed")).head is None


def test_engine_novelty_is_one_more_column(tmp_path: Path) -> None:
    graphs = OnnxEngine().open(tiny_bundle(tmp_path / "models", threshold=3.0))
    assert graphs.head is not None
    features = np.random.default_rng(0).normal(size=(4, WIDTH)).astype(np.float32)
    rows = graphs.head(features)
    assert rows.shape == (4, 3 + 1)
    np.testing.assert_allclose(rows[:, 3], np.linalg.norm(features, axis=1), rtol=1e-5)


def test_engine_gives_the_same_features_from_many_threads(tmp_path: Path) -> None:
    trunk = OnnxEngine().open(tiny_bundle(tmp_path / "models")).trunk
    images = np.random.default_rng(0).integers(0, 256, (32, SIZE, SIZE, 3), np.uint8)
    alone = [trunk({"image": image[None]}) for image in images]
    with ThreadPoolExecutor(8) as pool:
        concurrent = list(pool.map(lambda image: trunk({"image": image[None]}), images))
    np.testing.assert_array_equal(concurrent, alone)


def test_engine_output_shapes(tmp_path: Path) -> None:
    graphs = OnnxEngine().open(tiny_bundle(tmp_path / "models"))
    features = graphs.trunk({"image": np.zeros((4, SIZE, SIZE, 3), np.uint8)})
    assert (features.shape, features.dtype) == ((4, WIDTH), np.float32)
    assert graphs.head(features).shape == (4, 3)


@pytest.mark.parametrize(
    "input_",
    [
        TensorSpec("image", "uint8", (-1, 9, 9, 3)),
        TensorSpec("image", "float32", (-1, 8, 8, 3)),
        TensorSpec("picture", "uint8", (-1, 8, 8, 3)),
        TensorSpec("image", "uint8", (-1, 8)),
    ],
)
def test_engine_refuses_a_manifest_that_contradicts_the_graph(tmp_path: Path, input_: TensorSpec) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    lie = Signature((input_,), bundle.manifest.signature.outputs)
    lying = Bundle(bundle.layout, dataclasses.replace(bundle.manifest, signature=lie))
    with pytest.raises(BundleBroken, match="its manifest says"):
        OnnxEngine().open(lying)
