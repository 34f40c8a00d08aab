"""The README is true because it is run: its bash and python blocks, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.crops import make_crops
from tests.support.ports import free_port
from tests.support.reviews import REVIEWS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(bash|python)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def script(port: int) -> str:
    """One shell script of all the blocks; what was put in the background ends with it."""
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) && wait' EXIT"]
    for language, text in blocks():
        lines.append(text if language == "bash" else f"python - <<'END'\n{text}END")
    return "\n".join(lines).replace("8000", str(port)).replace("serve &", f"serve --port {port} &")


@pytest.mark.usefixtures("shared_trunks")
def test_readme_blocks_run(tmp_path: Path) -> None:
    make_crops(tmp_path / "flowers")
    (tmp_path / "reviews.csv").write_text("\n".join(["review,stars", *REVIEWS]))
    shutil.copy(next((tmp_path / "flowers").rglob("*.jpg")), tmp_path / "photo.jpg")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shell = subprocess.Popen(
        ["bash", "-c", script(free_port())],
        cwd=tmp_path,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=500)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, said
    assert "Traceback" not in said
    assert (tmp_path / "models/flowers/1/report.html").is_file()
    assert '"predictions"' in said
    assert '"label"' in said


def test_readme_paths_and_make_targets_exist() -> None:
    for path in re.findall(r"`((?:zoo|finetune|service|tests|benchmarks|docs|examples)/[\w./]+)`", README):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"^\$ make (\S+)", README, re.MULTILINE):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()
