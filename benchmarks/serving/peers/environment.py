"""A virtual environment for each peer, with just the packages that its requirements file pins."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from graft.storage.atomic_file import write_atomic
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock

REQUIREMENTS = Path(__file__).parent / "requirements"
PATIENCE = 900.0  # seconds that an installation may take


def folder_of(name: str) -> Path:
    """Return where the environment `name` is, or would be."""
    return cache_root() / "peers" / name


def python_of(name: str) -> Path:
    """Return the Python of a whole environment.

    Raises:
        RuntimeError: it was not made yet, or for other requirements.
    """
    if not is_whole(name):
        raise RuntimeError(
            f"there is no environment for {name} yet. Make it with: python -m benchmarks.serving.peers {name}"
        )
    return folder_of(name) / "bin" / "python"


def is_whole(name: str) -> bool:
    """Say whether the environment was made to its end, for the requirements of today."""
    made_for = folder_of(name) / "made-for.txt"
    return made_for.is_file() and made_for.read_bytes() == expected_record(name)


def expected_record(name: str) -> bytes:
    """Return the requirements of today, and the Python that they are for."""
    return f"# {sys.version}\n".encode() + (REQUIREMENTS / f"{name}.txt").read_bytes()


def make(name: str) -> None:
    """Make the environment, whole or not at all; nothing is done where it is whole already.

    Its scripts name its folder, so it cannot be made elsewhere and moved: it counts as made when
    the last file written says so.

    Raises:
        RuntimeError: pip could not install it; with pip's last words.
    """
    folder = folder_of(name)
    with exclusive_lock(folder):
        if is_whole(name):
            return
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run(
                [*pip, "--no-deps", "-r", REQUIREMENTS / f"{name}.txt"],
                check=True,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as fault:
            shutil.rmtree(folder, ignore_errors=True)
            output = (fault.stderr or b"") if isinstance(fault, subprocess.TimeoutExpired) else fault.stderr
            raise RuntimeError(f"pip could not install {name} ({fault}): {str(output).strip()[-500:]}") from None
        write_atomic(folder / "made-for.txt", expected_record(name))
