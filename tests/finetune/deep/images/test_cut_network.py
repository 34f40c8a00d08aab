"""A network cut in two computes what the whole network computes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from finetune.deep.images.cut import export_bottom_onnx, split_network
from finetune.deep.images.export_trunk import load_functional_body
from graft.errors import RecipeError
from graft.runtime.session import open_session
from tests.support.finetune.image_training_job import random_weights, tiny_backbone
from zoo.convert.networks import global_average_pool, scale_pixels, trunk_from_network
from zoo.sample_inputs import random_photo_crops

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    return load_functional_body(tiny_backbone(), None, random_weights(tmp_path_factory.mktemp("start") / "w.npz"))


def test_split_network_shares_weights_and_composes_exactly(network: keras.Model) -> None:
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    bottom, tail = split_network(network, "block4b_add")
    assert np.array_equal(tail(bottom(x, training=False), training=False), network(x, training=False))
    shared = {id(variable) for variable in (*bottom.variables, *tail.variables)}
    assert shared == {id(variable) for variable in network.variables}


def test_onnx_bottom_plus_keras_tail_equals_the_trunk(network: keras.Model) -> None:
    backbone, pictures = tiny_backbone(), random_photo_crops(5, 32, seed=4)
    data, layer, shape = export_bottom_onnx(backbone, network, "block4b_add")
    maps = open_session(data).run(None, {"image": pictures})[0]
    assert layer == "block4b_add"
    assert maps.shape == (5, *shape)
    _, tail = split_network(network, layer)
    expected = np.asarray(trunk_from_network(backbone, network)(pictures, training=False))
    float32 = np.asarray(global_average_pool(tail(maps, training=False)))
    float16 = np.asarray(global_average_pool(tail(maps.astype(np.float16).astype(np.float32), training=False)))
    assert np.abs(float32 - expected).max() <= 1e-4 * np.abs(expected).max()
    assert np.abs(float16 - expected).max() <= 5e-3 * np.abs(expected).max()


def test_onnx_bottom_scales_pixels(network: keras.Model) -> None:
    backbone, pictures = tiny_backbone(), random_photo_crops(2, 32, seed=4)
    data, layer, _ = export_bottom_onnx(backbone, network, "")
    bottom, _ = split_network(network, layer)
    expected = bottom(scale_pixels(pictures, backbone.takes.scaling), training=False)
    np.testing.assert_allclose(open_session(data).run(None, {"image": pictures})[0], expected, atol=1e-4)


def test_split_network_refuses_a_cut_inside_a_block(network: keras.Model) -> None:
    with pytest.raises(RecipeError, match="block4b_add"):
        export_bottom_onnx(tiny_backbone(), network, "block4b_expand_conv")
