"""Wall time of the commands that people type most, and what each install weighs in a fresh environment.

python -m benchmarks.commands
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import alternated

ROOT = Path(__file__).parent.parent
COMMANDS = Path(sys.executable).parent


def run(*words: str) -> None:
    subprocess.run([COMMANDS / words[0], *words[1:]], check=True, stdout=subprocess.DEVNULL)


def megabytes(requirements: Path) -> float:
    """Return the size of a fresh virtual environment with the locked `requirements`, pip included."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True)
        files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
        return sum(path.stat().st_size for path in files) / 1e6


def main() -> None:
    lines = ("zoo list", "finetune --help", "serve --help", "predict --help")
    for line, seconds in alternated({line: lambda line=line: run(*line.split()) for line in lines}).items():
        print(f"{line:18} {seconds:.2f} s, median of 7")
    print(f"extra `serve`      {megabytes(ROOT / 'requirements/serve.txt'):.0f} MB in a fresh virtual environment")


if __name__ == "__main__":
    main()
