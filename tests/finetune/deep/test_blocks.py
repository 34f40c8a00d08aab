"""The blocks of real networks, where they can be cut, and how fast each block learns."""

from __future__ import annotations

import keras
import pytest

from finetune.deep.blocks import blocks, cut_layer, factors, segments
from zoo.backbone import get
from zoo.build.networks import body
from zoo.errors import RecipeError


@pytest.fixture(scope="module")
def lite() -> keras.Model:
    return body(get("efficientnet_lite0"), None)


@pytest.fixture(scope="module")
def small() -> keras.Model:
    return body(get("mobilenet_v3_small"), None)


def nameless() -> keras.Model:
    """Four convolutions, the two in the middle with a way past them."""
    image = keras.Input((16, 16, 3))
    first = keras.layers.Conv2D(4, 3, padding="same", name="one")(image)
    x = keras.layers.BatchNormalization()(first)
    x = keras.layers.Conv2D(4, 3, padding="same", name="two")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="three")(x)
    x = keras.layers.Add(name="joined")([x, first])
    return keras.Model(image, keras.layers.Conv2D(4, 3, strides=2, name="four")(x))


def test_blocks_are_what_their_names_say(lite: keras.Model) -> None:
    found = blocks(lite)
    named = [f"block{stage}{letter}" for stage, n in enumerate((1, 2, 2, 3, 3, 4, 1), 1) for letter in "abcd"[:n]]
    assert [block.name for block in found] == ["", *named, ""]
    assert found[0].end == "stem_activation"
    assert found[-1].layers[0].name == "top_conv"


@pytest.mark.parametrize("network", ["lite", "small"])
def test_every_layer_is_in_one_block(network: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(network)
    inside = [layer.name for block in blocks(model) for layer in block.layers]
    assert sorted(inside) == sorted(layer.name for layer in model.operations[1:])
    assert len(set(inside)) == len(inside)


def test_a_way_past_hides_what_it_passes() -> None:
    ends = [layers[-1].name for layers in segments(nameless())]
    assert ends == ["one", "joined", "four"]
    assert [block.end for block in blocks(nameless())] == ["one", "joined", "four"]


@pytest.mark.parametrize(
    ("network", "wish", "layer"),
    [
        ("lite", "", "block6c_add"),
        ("lite", "14x14", "block5c_add"),
        ("lite", "block2b_add", "block2b_add"),
        ("small", "", "expanded_conv_8_project_bn"),
        ("small", "14x14", "expanded_conv_7_add"),
    ],
)
def test_cuts(network: str, wish: str, layer: str, request: pytest.FixtureRequest) -> None:
    assert cut_layer(request.getfixturevalue(network), wish) == layer


@pytest.mark.parametrize("wish", ["block4b_dwconv", "top_activation", "13x13", "nonsense"])
def test_where_it_cannot_be_cut_the_error_names_where_it_can(lite: keras.Model, wish: str) -> None:
    with pytest.raises(RecipeError, match=f"{wish}.*block4b_add.*14x14"):
        cut_layer(lite, wish)


def test_lower_blocks_learn_slower(lite: keras.Model) -> None:
    found = factors(lite, 0.5)
    assert found.keys() == {variable.path for variable in lite.trainable_variables}
    assert found["top_conv/kernel"] == 0.5
    assert found["block7a_dwconv/kernel"] == found["block7a_project_conv/kernel"] == 0.25
    assert found["stem_conv/kernel"] == 0.5**18
    assert set(factors(lite, 1.0).values()) == {1.0}
