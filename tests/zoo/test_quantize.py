"""int8: per channel, close to fp32, and proven on real pictures."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zoo.backbone import DEFAULT, Precision, get
from zoo.pictures import crops, jittered
from zoo.quantize import centred_cosine
from zoo.trunk import Trunk

BACKBONE = get(DEFAULT)


@pytest.fixture
def trunks(shared_trunks: None) -> tuple[Trunk, Trunk]:
    return Trunk.of(BACKBONE, Precision.FP32), Trunk.of(BACKBONE, Precision.INT8)


def test_int8_is_near_fp32_on_pictures_it_was_not_calibrated_on(trunks: tuple[Trunk, Trunk]) -> None:
    fp32, int8 = (trunk({"image": crops(24, 224, seed=4242)}) for trunk in trunks)
    cosines = centred_cosine(fp32, int8)
    assert cosines.mean() > 0.985
    assert cosines.min() > 0.95
    assert trunks[1].facts["cosine"] > 0.99


def test_weights_are_quantised_per_channel_behind_the_first_convolutions(trunks: tuple[Trunk, Trunk]) -> None:
    graph = onnx.load(trunks[1].path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    weights = [makers.get(node.input[1]) for node in graph.node if node.op_type == "Conv"]
    assert [maker is None for maker in weights] == [True] * BACKBONE.float_convs + [False] * (49 - BACKBONE.float_convs)
    for maker in filter(None, weights):
        quantised, scale = (constants[name] for name in maker.input[:2])
        assert quantised.dtype == np.int8
        assert scale.shape == (len(quantised),)


def test_int8_is_a_third_of_the_size_or_less(trunks: tuple[Trunk, Trunk]) -> None:
    assert trunks[1].facts["bytes"] * 3 < trunks[0].facts["bytes"]


def test_the_centred_cosine_takes_off_what_all_rows_share() -> None:
    a = np.array([[9, 1], [9, -1]], np.float32)
    np.testing.assert_allclose(centred_cosine(a, a), 1, rtol=1e-6)
    np.testing.assert_allclose(centred_cosine(a, a[::-1]), -1, rtol=1e-6)


def test_pictures_are_the_same_every_time_and_other_by_seed() -> None:
    one, again, other = (crops(6, 32, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_array_equal(jittered(one, 3), jittered(again, 3))
    assert (jittered(one, 3) != one).any()
