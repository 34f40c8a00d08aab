"""Every test has a cache of its own, and no setting of the person who runs it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from graft.progress import SilentProgress
from graft.storage.locks import exclusive_lock
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.trunks import trunk_cache
from zoo.weights import weights_cache


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GRAFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the default backbone's real trunks, fp32 and int8: made once per run, for all workers.

    They are copied from the cache of the person who runs the tests if it has them, which saves
    fifteen seconds; that cache is never written to.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-cache"
    with exclusive_lock(shared), pytest.MonkeyPatch.context() as patch:
        had = [
            found
            for precision in Precision
            if (found := trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), precision))
        ]
        patch.setenv("GRAFT_CACHE", str(shared))
        for found in had:
            if found.is_intact() and not (trunk_cache.trunks_folder() / found.folder.name).exists():
                shutil.copytree(found.folder, trunk_cache.trunks_folder() / found.folder.name)
        for precision in Precision:
            trunk_cache.ensure_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), precision, SilentProgress())
    return shared


@pytest.fixture
def shared_trunks(shared_cache: Path, _own_world: None) -> None:
    """Let this test's own cache begin with the default backbone's real trunks."""
    shutil.copytree(shared_cache / "trunks", trunk_cache.trunks_folder())


@pytest.fixture
def shared_weights(shared_cache: Path, shared_trunks: None, tmp_path: Path) -> None:
    """Let this test's own cache begin with the default backbone's weights, which deeper runs start from."""
    with exclusive_lock(shared_cache), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(shared_cache))
        weights_cache.fetch_weights(get_backbone(DEFAULT_IMAGE_BACKBONE), SilentProgress())
    for folder in shared_cache.iterdir():
        if folder.is_dir() and folder.name != "trunks":
            shutil.copytree(folder, tmp_path / "cache" / folder.name, dirs_exist_ok=True)
