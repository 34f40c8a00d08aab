"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.storage.atomic_file import open_atomic, write_atomic


def test_atomic_write_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_atomic(path, b"old")
    with pytest.raises(KeyboardInterrupt), open_atomic(path) as file:
        file.write(b"half of the new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
