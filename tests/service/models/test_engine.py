from __future__ import annotations

import dataclasses
import gc
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
    models.pop()
    gc.collect()
    assert len(engine._trunks) == 1
    models.pop()
    gc.collect()
    assert len(engine._trunks) == 0


def test_engine_output_shapes(tmp_path: Path) -> None:
    grafted = OnnxEngine().open(tiny_bundle(tmp_path / "models"))
    features = grafted.trunk({"image": np.zeros((4, SIZE, SIZE, 3), np.uint8)})
    assert (features.shape, features.dtype) == ((4, WIDTH), np.float32)
    assert grafted.head(features).shape == (4, 3)


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
    with pytest.raises(BundleBroken, match="its manifest tells of"):
        OnnxEngine().open(lying)
