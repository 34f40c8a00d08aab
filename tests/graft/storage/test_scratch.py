"""Scratch folders are deleted with their object, and those of killed processes by the next one."""

from __future__ import annotations

import subprocess
import sys

from graft.storage.cache_root import cache_root
from graft.storage.scratch import ScratchFolder

KILLED = (
    "import os, signal\nfrom graft.storage.scratch import ScratchFolder\n"
    "scratch = ScratchFolder()\n(scratch.path / 'half').write_text('half')\nos.kill(os.getpid(), signal.SIGKILL)\n"
)


def test_scratch_folder_is_deleted_with_its_last_reference() -> None:
    scratch = ScratchFolder()
    path = scratch.path
    (path / "file").write_text("x")
    assert path.parent == cache_root() / "scratch"
    del scratch
    assert list(path.parent.iterdir()) == []


def test_scratch_folder_of_a_killed_process_is_swept_by_the_next() -> None:
    ScratchFolder().remove()
    with subprocess.Popen([sys.executable, "-c", KILLED]) as process:
        process.wait(60)
    (killed,) = (path for path in (cache_root() / "scratch").iterdir() if path.is_dir())
    assert (killed / "half").is_file()
    running = ScratchFolder()
    other = ScratchFolder()
    assert not killed.exists()
    assert running.path.is_dir()  # the second one did not take it for a leftover
    other.remove()
    running.remove()
