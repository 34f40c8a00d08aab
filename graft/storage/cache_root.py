from __future__ import annotations

import os
from pathlib import Path

from graft.errors import WeightsError


def cache_root() -> Path:
    """Return Graft's cache folder: `GRAFT_CACHE`, else `graft` in the user's cache folder.

    Raises:
        WeightsError: it is below a home folder that there is not.
    """
    default_root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "graft"
    return expand_home(Path(os.environ.get("GRAFT_CACHE") or default_root), "GRAFT_CACHE")


def expand_home(path: Path, setting: str) -> Path:
    """Return `path` with the home folder that it may begin with; `setting` is what another place is named by.

    Raises:
        WeightsError: there is no such home folder.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise WeightsError(f"{path} is below a home folder that is not here. {setting} names another place.") from None
