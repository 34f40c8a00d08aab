"""Maps at the cut: what is in the files, that finished ones are kept, and that half of one is none."""

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

PICTURES = random_photo_crops(AUGMENT_CHUNK + 9, 16, seed=2)
TRAINED = AUGMENT_CHUNK + 4
AUGMENTS = {flips: RandAugment(flips) for flips in (False, True)}


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


def views(
    folder: Path, pictures: np.ndarray = PICTURES, seed: int = 1, flips: bool = False, **more: bytes
) -> CachedViews:
    cached = ActivationCache(more.get("bottom", bottom()), more.get("key", "k"), folder)
    return cached.compute_views(pictures, TRAINED, 2, AUGMENTS[flips], seed, SilentProgress())


def test_cached_activations_are_float16_of_every_image_and_augmented_view(run: Path) -> None:
    made = views(run)
    assert made.original.dtype == np.float16
    np.testing.assert_array_equal(made.original, PICTURES[:, ::2, ::2] * np.float16(0.5))
    assert [view.shape for view in made.augmentations] == [(TRAINED, 8, 8, 3)] * 2
    assert not np.array_equal(*made.augmentations)
    assert isinstance(made.original, np.memmap)
    last = AUGMENTS[False](PICTURES[AUGMENT_CHUNK:TRAINED], (1, 2, 1))
    np.testing.assert_array_equal(made.augmentations[1][AUGMENT_CHUNK:], last[:, ::2, ::2] * np.float16(0.5))


def test_cached_activations_are_reused_and_missing_views_rebuilt(run: Path) -> None:
    views(run)
    files = sorted(run.iterdir())
    before = {file: file.read_bytes() for file in files}
    kept = {file: file.stat().st_mtime_ns for file in files}
    files[0].unlink()
    views(run)
    assert {file: file.read_bytes() for file in sorted(run.iterdir())} == before
    assert [file for file in files if file.stat().st_mtime_ns != kept[file]] == files[:1]


@pytest.mark.parametrize("other", [{"seed": 2}, {"flips": True}, {"bottom": bottom(2.0)}, {"key": "other pictures"}])
def test_cached_activations_are_not_reused_for_other_settings(run: Path, other: dict) -> None:
    views(run)
    count = len(list(run.iterdir()))
    views(run, **other)
    assert len(list(run.iterdir())) > count


def test_cached_activations_clip_to_the_float16_range(run: Path) -> None:
    plain = views(run, bottom=bottom(1e6)).original
    assert np.isfinite(plain).all()
    assert plain.max() == np.finfo(np.float16).max


def test_full_disk_leaves_no_half_written_activations(run: Path) -> None:
    with full_disk(2_000), pytest.raises(TrainingFailed, match="cannot be written"):
        views(run)
    assert not list(run.iterdir())
    assert len(views(run).augmentations) == 2


def test_every_augmented_view_is_sampled(run: Path) -> None:
    made, rows = views(run), np.zeros(60, np.intp)
    picked = made.sample_views(rows, np.random.default_rng(0))
    counts = [sum(np.array_equal(one, view[0]) for one in picked) for view in (made.original, *made.augmentations)]
    assert min(counts) >= 10
    assert sum(counts) == 60
    np.testing.assert_array_equal(picked, made.sample_views(rows, np.random.default_rng(0)))
