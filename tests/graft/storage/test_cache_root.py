"""The cache folder follows the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import WeightsError
from graft.storage.cache_root import cache_root
from zoo.weights import lockfile


def test_cache_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE", "/some/where")
    assert cache_root() == Path("/some/where")
    monkeypatch.delenv("GRAFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_root() == Path("/caches/graft")


@pytest.mark.parametrize("setting", ["GRAFT_CACHE", "GRAFT_LOCK"])
def test_unknown_home_folder_in_a_setting_is_reported(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "~no-such-user-here/x")
    with pytest.raises(WeightsError, match=rf"home folder that does not exist\. Set {setting} to another folder"):
        (lockfile.find_lockfile if setting == "GRAFT_LOCK" else cache_root)()
