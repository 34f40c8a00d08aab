"""Cached activations at the cut: their values, reuse of finished files, and no half-written ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from finetune.deep.images.augment import RandAugment
from finetune.deep.images.cached_activations import AUGMENT_CHUNK, ActivationCache, CachedViews
from graft.errors import TrainingFailed
from graft.progress import SilentProgress
from tests.support.full_disk import full_disk
from zoo.sample_inputs import random_photo_crops

IMAGES = random_photo_crops(AUGMENT_CHUNK + 9, 16, seed=2)
TRAIN_COUNT = AUGMENT_CHUNK + 4
AUGMENTERS = {flips: RandAugment(flips) for flips in (False, True)}


def bottom(factor: float = 0.5) -> bytes:
    """`image` uint8 [n,16,16,3] -> `maps` float32 [n,8,8,3]: every other pixel, times `factor`."""
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=T.FLOAT),
        helper.make_node("Slice", ["x", "from", "to", "axes", "steps"], ["few"]),
        helper.make_node("Mul", ["few", "factor"], ["maps"]),
    ]
    numbers = {"from": [0, 0], "to": [16, 16], "axes": [1, 2], "steps": [2, 2]}
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()]
    graph = helper.make_graph(
        nodes,
        "bottom",
        [helper.make_tensor_value_info("image", T.UINT8, ["n", 16, 16, 3])],
        [helper.make_tensor_value_info("maps", T.FLOAT, ["n", 8, 8, 3])],
        [*constants, numpy_helper.from_array(np.float32(factor), "factor")],
    )
    data: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    assert onnx.load_from_string(data)
    return data


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def compute_views(
    folder: Path, images: np.ndarray = IMAGES, seed: int = 1, flips: bool = False, **more: bytes
) -> CachedViews:
    cached = ActivationCache(more.get("bottom", bottom()), more.get("key", "k"), folder)
    return cached.compute_views(images, TRAIN_COUNT, 2, AUGMENTERS[flips], seed, SilentProgress())


def test_cached_activations_are_float16_of_every_image_and_augmented_view(run: Path) -> None:
    cached = compute_views(run)
    assert cached.original.dtype == np.float16
    np.testing.assert_array_equal(cached.original, IMAGES[:, ::2, ::2] * np.float16(0.5))
    assert [view.shape for view in cached.augmentations] == [(TRAIN_COUNT, 8, 8, 3)] * 2
    assert not np.array_equal(*cached.augmentations)
    assert isinstance(cached.original, np.memmap)
    last = AUGMENTERS[False](IMAGES[AUGMENT_CHUNK:TRAIN_COUNT], (1, 2, 1))
    np.testing.assert_array_equal(cached.augmentations[1][AUGMENT_CHUNK:], last[:, ::2, ::2] * np.float16(0.5))


def test_cached_activations_are_reused_and_missing_views_rebuilt(run: Path) -> None:
    compute_views(run)
    files = sorted(run.iterdir())
    before = {file: file.read_bytes() for file in files}
    times = {file: file.stat().st_mtime_ns for file in files}
    files[0].unlink()
    compute_views(run)
    assert {file: file.read_bytes() for file in sorted(run.iterdir())} == before
    assert [file for file in files if file.stat().st_mtime_ns != times[file]] == files[:1]


@pytest.mark.parametrize("other", [{"seed": 2}, {"flips": True}, {"bottom": bottom(2.0)}, {"key": "other images"}])
def test_cached_activations_are_not_reused_for_other_settings(run: Path, other: dict) -> None:
    compute_views(run)
    count = len(list(run.iterdir()))
    compute_views(run, **other)
    assert len(list(run.iterdir())) > count


def test_cached_activations_clip_to_the_float16_range(run: Path) -> None:
    plain = compute_views(run, bottom=bottom(1e6)).original
    assert np.isfinite(plain).all()
    assert plain.max() == np.finfo(np.float16).max


def test_full_disk_leaves_no_half_written_activations(run: Path) -> None:
    with full_disk(2_000), pytest.raises(TrainingFailed, match="cannot be written"):
        compute_views(run)
    assert not list(run.iterdir())
    assert len(compute_views(run).augmentations) == 2


def test_every_augmented_view_is_sampled(run: Path) -> None:
    cached, rows = compute_views(run), np.zeros(60, np.intp)
    sampled = cached.sample_views(rows, np.random.default_rng(0))
    counts = [sum(np.array_equal(one, view[0]) for one in sampled) for view in (cached.original, *cached.augmentations)]
    assert min(counts) >= 10
    assert sum(counts) == 60
    np.testing.assert_array_equal(sampled, cached.sample_views(rows, np.random.default_rng(0)))
