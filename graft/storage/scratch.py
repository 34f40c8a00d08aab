"""Scratch folders: temporary folders in the cache that a later process deletes if theirs is killed."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import Final

from graft.storage.atomic_folder import create_locked_folder, remove_locked_folder, remove_stale_folders
from graft.storage.cache_root import cache_root

_FOLDER_PREFIX: Final = "graft-"


class ScratchFolder:
    """A new, empty folder, `path`, that is deleted with the last reference to this object or at the end of the process.

    Creating one also deletes those that killed processes left. If the cache cannot be written, the folder is created
    in the system's folder for temporary files.

    Raises:
        OSError: no folder can be created.
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
        """Delete the folder now."""
        self._finalizer()
