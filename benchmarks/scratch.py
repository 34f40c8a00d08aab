"""A folder that is gone afterwards, with a cache of its own: all is built already, no feature is there yet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graft.storage.cache_root import cache_root


@contextmanager
def scratch(*shared: str) -> Iterator[Path]:
    """Give an empty folder; GRAFT_CACHE is in it, with the trunks, the weights and what else is `kept` of before."""
    before, root = os.environ.get("GRAFT_CACHE"), cache_root()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        cache.mkdir()
        for part in ("trunks", "weights", *shared):
            (root / part).mkdir(parents=True, exist_ok=True)
            (cache / part).symlink_to(root / part)
        os.environ["GRAFT_CACHE"] = str(cache)
        try:
            yield Path(folder)
        finally:
            os.environ.pop("GRAFT_CACHE")
            if before is not None:
                os.environ["GRAFT_CACHE"] = before
