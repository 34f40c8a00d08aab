"""The cache folder: GRAFT_CACHE, else `graft` in the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from graft.errors import WeightsError


def cache_root() -> Path:
    """Return Graft's cache folder: GRAFT_CACHE, else XDG_CACHE_HOME/graft, else ~/.cache/graft.

    Raises:
        WeightsError: it is below a home folder that does not exist.
    """
    default_root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "graft"
    return expand_home(Path(os.environ.get("GRAFT_CACHE") or default_root), "GRAFT_CACHE")


def expand_home(path: Path, setting: str) -> Path:
    """Return `path` with a leading `~` or `~user` expanded; errors name the environment variable `setting`.

    Raises:
        WeightsError: the home folder does not exist.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise WeightsError(
            f"{path} is below a home folder that does not exist. Set {setting} to another folder."
        ) from None
