"""int8: per channel, close to fp32, and proven on real pictures."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.convert.int8_image import centred_cosine
from zoo.sample_inputs import jitter_colors, random_photo_crops
from zoo.trunks.trunk import Trunk

BACKBONE = get_backbone(DEFAULT_IMAGE_BACKBONE)
CPU_FLAGS = Path("/proc/cpuinfo")
# On x86 without VNNI, ONNX Runtime's uint8 x int8 sums saturate: the same bytes give features less near fp32.
SATURATES = platform.machine() == "x86_64" and CPU_FLAGS.is_file() and "vnni" not in CPU_FLAGS.read_text()


@pytest.fixture
def trunks(shared_trunks: None) -> tuple[Trunk, Trunk]:
    return Trunk.from_backbone(BACKBONE, Precision.FP32), Trunk.from_backbone(BACKBONE, Precision.INT8)


def test_int8_image_features_are_near_fp32(trunks: tuple[Trunk, Trunk]) -> None:
    fp32, int8 = (trunk({"image": random_photo_crops(24, 224, seed=4242)}) for trunk in trunks)
    cosines = centred_cosine(fp32, int8)
    assert cosines.mean() > (0.96 if SATURATES else 0.985)
    assert cosines.min() > (0.92 if SATURATES else 0.95)
    assert trunks[1].facts["cosine"] > (0.97 if SATURATES else 0.99)


def test_int8_image_weights_are_quantized_per_channel(trunks: tuple[Trunk, Trunk]) -> None:
    graph = onnx.load(trunks[1].path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    weights = [makers.get(node.input[1]) for node in graph.node if node.op_type == "Conv"]
    assert [maker is None for maker in weights] == [True] * BACKBONE.float_convs + [False] * (49 - BACKBONE.float_convs)
    for maker in filter(None, weights):
        quantised, scale = (constants[name] for name in maker.input[:2])
        assert quantised.dtype == np.int8
        assert scale.shape == (len(quantised),)


def test_int8_image_trunk_is_a_third_of_the_size(trunks: tuple[Trunk, Trunk]) -> None:
    assert trunks[1].facts["bytes"] * 3 < trunks[0].facts["bytes"]


def test_centred_cosine_by_hand() -> None:
    a = np.array([[9, 1], [9, -1]], np.float32)
    np.testing.assert_allclose(centred_cosine(a, a), 1, rtol=1e-6)
    np.testing.assert_allclose(centred_cosine(a, a[::-1]), -1, rtol=1e-6)


def test_sample_images_are_deterministic_by_seed() -> None:
    one, again, other = (random_photo_crops(6, 32, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_array_equal(jitter_colors(one, 3), jitter_colors(again, 3))
    assert (jitter_colors(one, 3) != one).any()
