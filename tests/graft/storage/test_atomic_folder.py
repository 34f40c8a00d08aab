"""Folders are complete or absent, whatever happens to the process that writes them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from graft.storage.atomic_folder import atomic_folder, draft_folder


def test_atomic_folder_leaves_nothing_when_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "out") as draft:
        (draft / "half").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_atomic_folder_sweeps_only_its_own_killed_draft(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom graft.storage.atomic_folder import atomic_folder\n"
        "with atomic_folder(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'half').write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for target in ("out", "out", "other"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / target)], check=False)
    users = tmp_path / ".out.draft-mine"
    users.mkdir()
    assert len(list(tmp_path.glob(".out.draft-*/half"))) == 1  # the second swept the first one's
    with atomic_folder(tmp_path / "out"):
        pass
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".other."))
    assert names == [".out.draft-mine", "out"]
    assert len(list(tmp_path.glob(".other.draft-*/half"))) == 1  # of another target: its own next run sweeps it


def test_atomic_folder_keeps_the_draft_of_a_running_process(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "out") as first:
        (first / "half").write_text("half")
        with atomic_folder(tmp_path / "out") as second:
            (second / "whole").write_text("whole")
        assert (first / "half").is_file()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "whole"]


def test_atomic_folder_replaces_only_on_request(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "damaged").write_text("old")
    with pytest.raises(FileExistsError), atomic_folder(target) as draft:
        (draft / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "damaged"]
    with atomic_folder(target, replace=True) as draft:
        (draft / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "new"]


def test_draft_folders_of_many_threads_do_not_sweep_each_other(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(20):
                with draft_folder(tmp_path, "same") as draft:
                    (draft / str(number)).write_text("x")
                    assert [path.name for path in draft.iterdir()] == [str(number)]
        except BaseException as fault:
            failures.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(tmp_path.iterdir()) == []
