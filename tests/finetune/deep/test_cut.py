"""A network in two parts says what the whole one says."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from finetune.deep.cut import bottom_onnx, parted
from finetune.deep.export import plain_body
from tests.finetune.deep.picture_lessons import random_weights, tiny_backbone
from zoo.build.networks import pooled, scaled, whole
from zoo.errors import RecipeError
from zoo.pictures import crops
from zoo.trunk import open_session

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    return plain_body(tiny_backbone(), None, random_weights(tmp_path_factory.mktemp("start") / "w.npz"))


def test_the_parts_share_weights_and_compose_exactly(network: keras.Model) -> None:
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    bottom, tail = parted(network, "block4b_add")
    assert np.array_equal(tail(bottom(x, training=False), training=False), network(x, training=False))
    shared = {id(variable) for variable in (*bottom.variables, *tail.variables)}
    assert shared == {id(variable) for variable in network.variables}


def test_the_bottom_in_onnx_runtime_and_the_tail_in_keras_say_what_the_trunk_says(network: keras.Model) -> None:
    backbone, pictures = tiny_backbone(), crops(5, 32, seed=4)
    data, layer, shape = bottom_onnx(backbone, network, "block4b_add")
    maps = open_session(data).run(None, {"image": pictures})[0]
    assert layer == "block4b_add"
    assert maps.shape == (5, *shape)
    _, tail = parted(network, layer)
    expected = np.asarray(whole(backbone, network)(pictures, training=False))
    exact = np.asarray(pooled(tail(maps, training=False)))
    halved = np.asarray(pooled(tail(maps.astype(np.float16).astype(np.float32), training=False)))
    assert np.abs(exact - expected).max() <= 1e-4 * np.abs(expected).max()
    assert np.abs(halved - expected).max() <= 5e-3 * np.abs(expected).max()


def test_pixels_are_scaled_below_the_cut(network: keras.Model) -> None:
    backbone, pictures = tiny_backbone(), crops(2, 32, seed=4)
    data, layer, _ = bottom_onnx(backbone, network, "")
    bottom, _ = parted(network, layer)
    expected = bottom(scaled(pictures, backbone.takes.scaling), training=False)
    np.testing.assert_allclose(open_session(data).run(None, {"image": pictures})[0], expected, atol=1e-4)


def test_a_network_is_not_cut_where_it_cannot_be(network: keras.Model) -> None:
    with pytest.raises(RecipeError, match="block4b_add"):
        bottom_onnx(tiny_backbone(), network, "block4b_expand_conv")
