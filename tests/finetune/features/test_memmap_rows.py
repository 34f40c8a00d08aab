"""Memory-mapped features: the same rows and the same bundle as in memory, and what a full disk does."""

import resource
from pathlib import Path

import numpy as np
import pytest

from finetune.data.load import load_dataset
from finetune.features import memmap_rows
from finetune.features.extract import extract_features
from finetune.pipeline import run_pipeline
from finetune.plan import make_plan
from finetune.recipe import Recipe
from graft.progress import SilentProgress
from graft.storage.cache_root import cache_root
from zoo import Precision, get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.trunks.trunk import Trunk


def test_memmap_rows_of_large_features_lie_in_a_nameless_file(in_chunks) -> None:
    in_chunks()
    x = memmap_rows.allocate_rows(1000, 12)
    assert isinstance(x, np.memmap)
    x[:] = np.arange(12_000).reshape(1000, 12)
    wanted = np.random.default_rng(0).permutation(1000)[:777]
    taken = memmap_rows.take_rows(x, wanted)
    assert isinstance(taken, np.memmap)
    assert np.array_equal(taken, np.asarray(x)[wanted])
    assert list((cache_root() / "scratch").iterdir()) == []


def test_memmap_rows_are_not_used_for_small_features() -> None:
    x = memmap_rows.allocate_rows(100, 12)
    assert type(x) is type(memmap_rows.take_rows(x, np.arange(5))) is np.ndarray
    assert not (cache_root() / "scratch").exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at the open files of Linux")
def test_memmap_rows_allocate_their_disk_space(in_chunks) -> None:
    in_chunks()
    x = memmap_rows.allocate_rows(1000, 12)
    opened = [path for path in Path("/proc/self/fd").iterdir() if "/scratch/" in str(path.resolve())]
    assert [path.stat().st_blocks * 512 >= x.nbytes for path in opened] == [True]


def test_memmap_rows_fall_back_to_memory_on_a_full_disk(in_chunks) -> None:
    """A full disk is told when room is asked for; a write into a mapped file would kill the process."""
    in_chunks()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        x = memmap_rows.allocate_rows(1000, 12)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    x[:] = 1
    assert type(x) is np.ndarray


def test_memmap_rows_fall_back_to_memory_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_chunks
) -> None:
    in_chunks()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    assert type(memmap_rows.allocate_rows(1000, 12)) is np.ndarray


def test_memmap_rows_leave_no_gap_for_skipped_samples(photos: Path, in_chunks) -> None:
    for name in ("red/00.png", "blue/03.png"):
        (photos / name).write_bytes(b"")
    trunk = Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.FP32)
    small = extract_features(trunk, load_dataset(str(photos)), 0.5, SilentProgress())
    in_chunks()
    large = extract_features(trunk, load_dataset(str(photos)), 0.5, SilentProgress())
    assert isinstance(large.x, np.memmap)
    assert large.samples == small.samples
    assert len(large.samples) == 22
    assert np.array_equal(large.x, small.x)
    assert np.array_equal(large.x[5], trunk(trunk.inputs.batch([trunk.inputs(large.samples[5].read())]))[0])


def test_chunked_bundle_equals_bundle_in_memory(photos: Path, in_chunks) -> None:
    small = run_pipeline(make_plan(Recipe(data=str(photos), models=photos.parent / "models")))
    in_chunks()
    large = run_pipeline(make_plan(Recipe(data=str(photos), models=photos.parent / "models")))
    first, second = (made.bundle.read_golden().scores for made in (small, large))
    assert np.abs(first - second).max() < 1e-3
