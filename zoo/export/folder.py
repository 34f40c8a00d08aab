"""A folder that is whole or not there: written under a hidden name, on the disk before it has its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo import guarded
from zoo.errors import PublishFailed
from zoo.files import fsync_folder


def require_absent(folder: Path) -> None:
    """Pass if nothing is called `folder` yet.

    Raises:
        PublishFailed: something is; it is left as it is.
    """
    if folder.exists() or folder.is_symlink():
        raise PublishFailed(f"{folder} is there already; nothing was changed. Choose another -o, or move it away.")


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden sibling of `folder`, which gets its name only if all goes well.

    What a killed process left there on its way to the same name is removed; what a running one makes is not.

    Raises:
        PublishFailed: it cannot be written, or something has that name already.
    """
    require_absent(folder)
    try:
        with guarded.draft_folder(folder) as draft:
            draft.chmod(0o755)
            yield draft
            _fsync_tree(draft)
            require_absent(folder)
            draft.rename(folder)
        fsync_folder(folder.absolute().parent)
    except OSError as fault:
        raise PublishFailed(
            f"{folder} could not be written ({fault.strerror}); nothing is left of it. "
            "Free some space, or choose another -o."
        ) from None


def _fsync_tree(draft: Path) -> None:
    for path in sorted(draft.rglob("*"), reverse=True):
        if path.is_dir():
            fsync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    fsync_folder(draft)
