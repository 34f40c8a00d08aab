"""The feature cache: concurrent writers, kills, damage, a full disk."""

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from finetune.features.feature_cache import FeatureCache, feature_cache_path
from graft.inputs.image import ImageInput
from tests.support.listener import Listener

WIDTH = 4


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features" / "x.sqlite"


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def row(number: int) -> np.ndarray:
    return np.full(WIDTH, number, np.float32)


def fill(path: Path, listener: Listener, numbers: range = range(10)) -> None:
    with FeatureCache(path, WIDTH, listener) as cache:
        for number in numbers:
            cache.put(key(number), row(number))


def count_cached(path: Path, listener: Listener, numbers: range = range(10)) -> int:
    with FeatureCache(path, WIDTH, listener) as cache:
        cached = [cache.get(key(number)) for number in numbers]
    assert all(x is None or np.array_equal(x, row(number)) for number, x in zip(numbers, cached, strict=True))
    return sum(x is not None for x in cached)


def test_feature_cache_round_trip(path: Path, listener: Listener) -> None:
    fill(path, listener)
    assert count_cached(path, listener, range(20)) == 10
    assert listener.lines == []


def test_feature_cache_path_depends_on_input_and_trunk() -> None:
    spec = ImageInput(224).spec()
    paths = {
        feature_cache_path(spec, "a" * 64),
        feature_cache_path(spec, "b" * 64),
        feature_cache_path(ImageInput(160).spec(), "a" * 64),
    }
    assert len(paths) == 3
    assert feature_cache_path(dict(reversed(spec.items())), "a" * 64) in paths


def test_feature_cache_has_concurrent_writers(path: Path, listener: Listener) -> None:
    """Several caches as several processes would have them, and threads besides."""
    writers = [threading.Thread(target=fill, args=(path, listener, range(5 * n, 5 * n + 10))) for n in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert count_cached(path, listener, range(40)) == 35
    assert listener.lines == []


def test_feature_cache_survives_a_kill(path: Path, listener: Listener) -> None:
    script = f"""
import os, pathlib, numpy as np
from finetune.features.feature_cache import FeatureCache
from graft.progress import SilentProgress
cache = FeatureCache(pathlib.Path({str(path)!r}), {WIDTH}, SilentProgress())
for number in range(10):
    cache.put(number.to_bytes(32, "big"), np.full({WIDTH}, number, np.float32))
cache.flush()
cache.put((99).to_bytes(32, "big"), np.full({WIDTH}, 99, np.float32))
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert count_cached(path, listener, range(100)) == 10
    assert listener.lines == []


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to look at" * 100)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    one = row(7).tobytes()
    # Every copy: of a row that SQLite has moved, the old place may still hold the bytes.
    path.write_bytes(path.read_bytes().replace(one, b"\xff" + one[1:]))


def short_row(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE features SET x = x'00' WHERE sha256 = ?", (key(3),))
    database.close()


@pytest.mark.parametrize("damage", [garbage, cut, flipped, short_row])
def test_feature_cache_damaged_file_is_set_aside_and_rebuilt(path: Path, listener: Listener, damage) -> None:
    fill(path, listener, range(2000))
    damage(path)
    assert count_cached(path, listener, range(2000)) < 2000
    assert len(listener.lines) == 1
    assert "damaged" in listener.lines[0]
    assert str(path) in listener.lines[0]
    assert len(list(path.parent.glob("*.damaged-*"))) == 1
    fill(path, listener, range(10))
    assert count_cached(path, listener) == 10
    assert len(listener.lines) == 1


def test_feature_cache_ignores_a_journal_of_a_crash(path: Path, listener: Listener) -> None:
    fill(path, listener)
    garbage(path)
    journal = path.with_name(path.name + "-journal")
    journal.write_bytes(b"left by a crash")
    fill(path, listener)
    assert count_cached(path, listener) == 10
    assert not journal.exists()


def test_feature_cache_that_cannot_be_written_is_skipped(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "x.sqlite"
    fill(path, listener)
    assert count_cached(path, listener) == 0
    assert "continuing without it" in listener.lines[0]
    assert "GRAFT_CACHE" in listener.lines[0]


def test_feature_cache_reports_a_full_disk_once(path: Path, listener: Listener) -> None:
    with FeatureCache(path, WIDTH, listener) as cache:
        cache.put(key(1), row(1))
        cache.flush()
        cache._database.execute("PRAGMA max_page_count = 3")
        for number in range(2, 2000):
            cache.put(key(number), row(number))
        cache.flush()
        cache.put(key(1), row(1))
        cache.flush()
        assert cache.get(key(1)) is None
    assert len(listener.lines) == 1
    assert "full" in listener.lines[0]
    assert count_cached(path, listener) == 1
