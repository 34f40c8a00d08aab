"""A folder in the cache that lives as long as the object which asked for it, or as its process."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import Final

from graft.storage.atomic_folder import create_locked_folder, remove_locked_folder, remove_stale_folders
from graft.storage.cache_root import cache_root

_FOLDER_PREFIX: Final = "graft-"


class ScratchFolder:
    """A new, empty folder, `path`. It is removed with the last reference to this object and at the end of the process.

    What a killed process left is swept by the next one that makes such a folder: each is guarded by a lock, which
    the system frees. Where the cache cannot be written the folder lies among the system's temporary files.

    Raises:
        OSError: there is no place to write.
    """

    def __init__(self) -> None:
        base = cache_root() / "scratch"
        try:
            base.mkdir(parents=True, exist_ok=True)
            remove_stale_folders(base, _FOLDER_PREFIX)
            self.path, lock = create_locked_folder(base, _FOLDER_PREFIX)
        except OSError:
            self.path, lock = create_locked_folder(Path(tempfile.gettempdir()), _FOLDER_PREFIX)
        self._finalizer = weakref.finalize(self, remove_locked_folder, self.path, lock)

    def remove(self) -> None:
        """Remove the folder now."""
        self._finalizer()
