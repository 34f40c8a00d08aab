"""A mirror on loopback that fetches come from, in a folder of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.progress import SilentProgress
from graft.storage.locks import exclusive_lock
from tests.support.paths import REPOSITORY
from tests.support.zoo import tiny_weights
from tests.support.zoo.file_server import FaultyServer, faulty_server
from tests.support.zoo.offline_packs import NET, PRESET, SwitchMachine
from zoo.catalog.find import get_backbone
from zoo.manage.offline_pack import pack_weights
from zoo.weights import download


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server, set as the mirror, that has the tiny weights."""
    monkeypatch.setattr(download, "_RETRY_DELAYS", (0.0, 0.0, 0.0))
    with faulty_server() as server:
        server.files[tiny_weights.PATH] = tiny_weights.DATA
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        yield server


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a team's project; the test stands in it."""
    folder = tmp_path / "team"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def other_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SwitchMachine:
    """Move to a machine with an empty cache and no network."""

    def go() -> None:
        monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("GRAFT_OFFLINE", "1")

    return go


@pytest.fixture
def pack_file(mirror: FaultyServer, tmp_path: Path, other_machine: SwitchMachine) -> Path:
    """A small pack, and a machine that has nothing of it."""
    mirror.files |= {**tiny_weights.mirrored(NET), **tiny_weights.mirrored(PRESET)}
    path = tmp_path / "weights.tar"
    pack_weights([get_backbone(NET), get_backbone(PRESET)], path, SilentProgress(), trunks=False)
    other_machine()
    return path


@pytest.fixture(scope="session")
def keras_model_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of `keras_models`, made once a run for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "keras-models"
    with exclusive_lock(folder):
        if not (folder / "open.keras").is_file():
            folder.mkdir(exist_ok=True)
            env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
            script = REPOSITORY / "tests/support/presets/make_keras_models.py"
            subprocess.run([sys.executable, script, folder], check=True, env=env, capture_output=True)
    return folder


@pytest.fixture
def keras_models_folder(keras_model_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with those models and their labels, in which the test stands."""
    shutil.copytree(keras_model_files, tmp_path / "here")
    (tmp_path / "here" / "labels.txt").write_text("cat\ndog\nfish\n")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"
