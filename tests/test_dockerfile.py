"""The Dockerfile's steps that need no Docker, run in fresh virtual environments.

`useradd`, `--no-cache-dir` and the image's own /tmp are not run; where there is a Docker engine, images are built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.fakes import picture, tiny_bundle
from tests.support.ports import free_port

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def stages() -> dict[str, list[tuple[str, str]]]:
    """Each stage's instructions, (word, rest), in order."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    found: dict[str, list[tuple[str, str]]] = {}
    for line in (line for line in text.splitlines() if line and not line.startswith("#")):
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            name = rest.split()[-1]
            found[name] = []
        else:
            found[name].append((word, rest))
    return found


class Image:
    """A folder that stands for an image's root, and a virtual environment for its Python."""

    def __init__(self, root: Path, others: dict[str, Image]) -> None:
        self.root, self.others, self.workdir = root, others, "/"
        subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)

    def path(self, inside: str) -> Path:
        return self.root / os.path.join(self.workdir, inside).lstrip("/")

    def copy(self, rest: str) -> None:
        *sources, target = [word for word in rest.split() if not word.startswith("--from=")]
        origin = re.search(r"--from=(\w+)", rest)
        for source in sources:
            found = self.others[origin[1]].path(source) if origin else ROOT / source
            into = self.path(target)
            if found.is_dir():
                shutil.copytree(found, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into = into / found.name if target.endswith("/") else into
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, into)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        for folder in ("/tmp", "/wheels"):  # noqa: S108 - the image's own folders
            command = re.sub(rf"(?<![\w/]){folder}\b", str(self.root) + folder, command)
        self.path(".").mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"PATH": f"{self.root}/venv/bin:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", command], cwd=self.path("."), env=environment, text=True, capture_output=True, check=False
        )

    def build(self, steps: list[tuple[str, str]]) -> None:
        for word, rest in steps:
            if word == "WORKDIR":
                self.workdir = rest
            elif word == "COPY":
                self.copy(rest)
            elif word == "RUN" and not rest.startswith("useradd"):
                done = self.run(rest.replace("--no-cache-dir ", ""))
                assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def serve_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    images: dict[str, Image] = {}
    for name in ("wheel", "serve"):
        images[name] = Image(tmp_path_factory.mktemp(name), images)
        images[name].build(stages()[name])
    return images["serve"]


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "the server ended by itself"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer in 30 s")


def test_docker_serve_image_answers_without_tensorflow(serve_image: Image, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "models")
    port = free_port()
    server = subprocess.Popen(
        [serve_image.root / "venv/bin/serve", "--models", tmp_path / "models", "--port", str(port)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/v2/health/ready", server)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/models/tiny:predict", picture("red"), {"Content-Type": "image/png"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.load(answer)["predictions"][0]["label"] in ("red", "green", "blue")
    finally:
        server.terminate()
        assert server.wait(20) == 0


def test_docker_serve_image_is_small(serve_image: Image) -> None:
    files = [path for path in (serve_image.root / "venv").rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < 300e6


def test_docker_build_fails_if_tensorflow_is_importable(serve_image: Image) -> None:
    guard = next(rest for word, rest in stages()["serve"] if word == "RUN" and "tensorflow" in rest)
    assert serve_image.run(guard).returncode == 0
    package = next((serve_image.root / "venv/lib").glob("python*/site-packages")) / "tensorflow"
    package.mkdir()
    (package / "__init__.py").touch()
    try:
        assert serve_image.run(guard).returncode != 0
    finally:
        shutil.rmtree(package)


def test_docker_images_run_as_an_unprivileged_user() -> None:
    for name in ("serve", "train"):
        words = stages()[name]
        assert [rest for word, rest in words if word == "USER"][-1] == "graft"
        assert any(word == "RUN" and rest.startswith("useradd") and "graft" in rest for word, rest in words)
    assert any(word == "HEALTHCHECK" for word, _ in stages()["serve"])


def test_installed_packages_are_found_above_a_clone_called_graft(serve_image: Image, tmp_path: Path) -> None:
    (tmp_path / "graft").symlink_to(ROOT)
    script = "import graft, zoo, service; print(graft.__version__, graft.__file__, zoo.__file__, service.__file__)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [serve_image.root / "venv/bin/python", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("site-packages") == 3


@pytest.mark.skipif(not shutil.which("docker"), reason="needs a Docker engine")
@pytest.mark.parametrize("target", ["serve", "train"])
def test_docker_builds_the_image(target: str) -> None:
    subprocess.run(["docker", "build", "--target", target, "."], cwd=ROOT, check=True)
