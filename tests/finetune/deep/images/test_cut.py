"""Blocks of real networks, the layers at which they can be cut, and layer-wise learning rates."""

from __future__ import annotations

import keras
import pytest

from finetune.deep.images.cut import block_rate_factors, find_blocks, find_cut_layer, find_segments
from graft.errors import RecipeError
from zoo.catalog.find import get_backbone
from zoo.convert.networks import build_backbone_network


@pytest.fixture(scope="module")
def lite() -> keras.Model:
    return build_backbone_network(get_backbone("efficientnet_lite0"), None)


@pytest.fixture(scope="module")
def small() -> keras.Model:
    return build_backbone_network(get_backbone("mobilenet_v3_small"), None)


def network_without_block_names() -> keras.Model:
    """Four convolutions, the middle two inside a skip connection."""
    image = keras.Input((16, 16, 3))
    first = keras.layers.Conv2D(4, 3, padding="same", name="one")(image)
    x = keras.layers.BatchNormalization()(first)
    x = keras.layers.Conv2D(4, 3, padding="same", name="two")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="three")(x)
    x = keras.layers.Add(name="joined")([x, first])
    return keras.Model(image, keras.layers.Conv2D(4, 3, strides=2, name="four")(x))


def test_blocks_follow_the_layer_names(lite: keras.Model) -> None:
    blocks = find_blocks(lite)
    names = [f"block{stage}{letter}" for stage, n in enumerate((1, 2, 2, 3, 3, 4, 1), 1) for letter in "abcd"[:n]]
    assert [block.name for block in blocks] == ["", *names, ""]
    assert blocks[0].last_layer_name == "stem_activation"
    assert blocks[-1].layers[0].name == "top_conv"


@pytest.mark.parametrize("network", ["lite", "small"])
def test_every_layer_is_in_exactly_one_block(network: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(network)
    inside = [layer.name for block in find_blocks(model) for layer in block.layers]
    assert sorted(inside) == sorted(layer.name for layer in model.operations[1:])
    assert len(set(inside)) == len(inside)


def test_blocks_are_not_cut_inside_a_skip_connection() -> None:
    ends = [layers[-1].name for layers in find_segments(network_without_block_names())]
    assert ends == ["one", "joined", "four"]
    assert [block.last_layer_name for block in find_blocks(network_without_block_names())] == ["one", "joined", "four"]


@pytest.mark.parametrize(
    ("network", "cut", "layer"),
    [
        ("lite", "", "block6c_add"),
        ("lite", "14x14", "block5c_add"),
        ("lite", "block2b_add", "block2b_add"),
        ("small", "", "expanded_conv_8_project_bn"),
        ("small", "14x14", "expanded_conv_7_add"),
    ],
)
def test_cut_layer_by_default_by_map_size_and_by_name(
    network: str, cut: str, layer: str, request: pytest.FixtureRequest
) -> None:
    assert find_cut_layer(request.getfixturevalue(network), cut) == layer


@pytest.mark.parametrize("cut", ["block4b_dwconv", "top_activation", "13x13", "nonsense"])
def test_invalid_cut_layer_error_names_valid_ones(lite: keras.Model, cut: str) -> None:
    with pytest.raises(RecipeError, match=f"{cut}.*block4b_add.*14x14"):
        find_cut_layer(lite, cut)


def test_layer_wise_learning_rate_is_lower_for_lower_blocks(lite: keras.Model) -> None:
    factors = block_rate_factors(lite, 0.5)
    assert factors.keys() == {variable.path for variable in lite.trainable_variables}
    assert factors["top_conv/kernel"] == 0.5
    assert factors["block7a_dwconv/kernel"] == factors["block7a_project_conv/kernel"] == 0.25
    assert factors["stem_conv/kernel"] == 0.5**18
    assert set(block_rate_factors(lite, 1.0).values()) == {1.0}
