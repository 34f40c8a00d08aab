from __future__ import annotations

import dataclasses
import gc
from pathlib import Path

import numpy as np
import pytest

from service.engine import OnnxEngine
from tests.fakes import SIZE, WIDTH, tiny_bundle
from zoo.bundle import Bundle
from zoo.errors import BundleBroken
from zoo.signature import Signature, Tensor


def test_models_on_the_same_trunk_share_it(tmp_path: Path) -> None:
    engine = OnnxEngine()
    first, second = (engine.open(tiny_bundle(tmp_path / "models", name)) for name in ("a", "b"))
    other = engine.open(tiny_bundle(tmp_path / "models", "c", trunk_seed=1))
    assert first.trunk is second.trunk
    assert first.head is not second.head
    assert other.trunk is not first.trunk


def test_a_trunk_leaves_with_its_last_model(tmp_path: Path) -> None:
    engine = OnnxEngine()
    models = [engine.open(tiny_bundle(tmp_path / "models", name)) for name in ("a", "b")]
    models.pop()
    gc.collect()
    assert len(engine._trunks) == 1
    models.pop()
    gc.collect()
    assert len(engine._trunks) == 0


def test_shapes(tmp_path: Path) -> None:
    grafted = OnnxEngine().open(tiny_bundle(tmp_path / "models"))
    features = grafted.trunk({"image": np.zeros((4, SIZE, SIZE, 3), np.uint8)})
    assert (features.shape, features.dtype) == ((4, WIDTH), np.float32)
    assert grafted.head(features).shape == (4, 3)


@pytest.mark.parametrize(
    "input_",
    [
        Tensor("image", "uint8", (-1, 9, 9, 3)),
        Tensor("image", "float32", (-1, 8, 8, 3)),
        Tensor("picture", "uint8", (-1, 8, 8, 3)),
        Tensor("image", "uint8", (-1, 8)),
    ],
)
def test_a_manifest_that_lies_about_its_graph_is_refused(tmp_path: Path, input_: Tensor) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    lie = Signature((input_,), bundle.manifest.signature.outputs)
    lying = Bundle(bundle.layout, dataclasses.replace(bundle.manifest, signature=lie))
    with pytest.raises(BundleBroken, match="its manifest tells of"):
        OnnxEngine().open(lying)
