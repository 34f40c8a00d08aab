"""GRAFT_OFFLINE opens no socket, GRAFT_MIRROR is asked for everything, and proxies are heeded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune.data.builtin_datasets import REUTERS_WHEEL as REUTERS
from graft.errors import DownloadFailed
from tests.support.class_folders import fill
from tests.support.zoo import without_sockets
from tests.support.zoo.file_server import FaultyServer, faulty_server
from tests.support.zoo.tiny_weights import DATA, PATH, backbone, mirrored
from zoo.catalog.backbone import FileSource
from zoo.catalog.find import all_backbones, get_backbone
from zoo.trunks import trunk_cache
from zoo.weights import download, weights_cache
from zoo.weights.mirror import download_url

NET, PRESET, WHEEL = "mobilenet_v2.imagenet", "bert_tiny.en_uncased", "efficientnet_lite0.imagenet"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")


def test_socket_guard_sees_sockets_of_child_processes(tmp_path: Path) -> None:
    code = (
        "import socket, subprocess, sys; subprocess.run([sys.executable, '-P', '-c', sys.argv[1]]); exec(sys.argv[1])"
    )
    ran, log = without_sockets.run_code(tmp_path, code, "import socket; socket.create_connection(('127.0.0.1', 1))")
    assert ran.returncode == 1
    assert log.count("127.0.0.1") == 2


@pytest.mark.parametrize("words", [["pull", WHEEL], ["pull", WHEEL, "--lock"], ["verify"], ["cache"], ["show", WHEEL]])
def test_offline_zoo_commands_work_from_the_cache(
    words: list[str], shared_weights: None, offline: None, tmp_path: Path, team: Path
) -> None:
    ran, log = without_sockets.run(tmp_path / "guard", "zoo", *words)
    assert (ran.returncode, log) == (0, ""), ran.stderr


def test_offline_training_works_from_the_cache(shared_trunks: None, offline: None, tmp_path: Path, team: Path) -> None:
    ran, log = without_sockets.run(tmp_path / "guard", "finetune", str(fill(team / "photos")), "--name", "mine")
    assert (ran.returncode, log) == (0, ""), ran.stderr
    assert (team / "models" / "mine" / "1" / "manifest.json").is_file()


def test_onnx_runtime_telemetry_is_off(shared_trunks: None, tmp_path: Path) -> None:
    """Its telemetry, native code that no hook sees, begins with a data base of events below the home folder."""
    code = (
        "from zoo import Precision, get_backbone; from zoo.trunks.trunk import Trunk; "
        f"Trunk.from_backbone(get_backbone({WHEEL!r}), Precision.INT8)"
    )
    here = {
        name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    subprocess.run([sys.executable, "-c", code], check=True, env=here | {"HOME": str(tmp_path / "home")})
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_offline_trunk_is_built_from_cached_weights(
    shared_weights: None, offline: None, tmp_path: Path, team: Path
) -> None:
    shutil.rmtree(trunk_cache.trunks_folder())
    ran, log = without_sockets.run(tmp_path / "guard", "zoo", "pull", WHEEL)
    assert (ran.returncode, log) == (0, ""), ran.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("zoo", ["pull", NET]),
        ("zoo", ["pull", PRESET]),
        ("zoo", ["pull", WHEEL]),
        ("finetune", ["sample:digits", "--backbone", NET]),
        ("finetune", ["sample:reuters-r8"]),
    ],
    ids=["a file", "a preset", "a wheel", "training", "a data set"],
)
def test_offline_without_cached_weights_is_an_error(
    command: str, words: list[str], offline: None, tmp_path: Path, team: Path
) -> None:
    ran, log = without_sockets.run(tmp_path / "guard", command, *words)
    assert (ran.returncode, log) == (1, "")
    assert "GRAFT_OFFLINE is set" in ran.stderr


def test_mirror_has_a_distinct_path_for_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_MIRROR", "http://mirror.example/weights/")
    places: dict[str | None, str] = {}
    for entry in all_backbones():
        for source in entry.source.files if isinstance(entry.source, FileSource) else (entry.source,):
            place = download_url(source)
            assert str(place).startswith("http://mirror.example/weights/")
            original = source.url if hasattr(source, "url") else source.filename
            assert places.setdefault(place, original) == original
    assert download_url(REUTERS) == f"http://mirror.example/weights/wheels/{REUTERS.filename}"


def test_mirror_serves_files_and_presets(mirror: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # whatever went to the publisher would fail
    mirror.files |= {**mirrored(NET), **mirrored(PRESET)}
    for name in (NET, PRESET):
        weights_cache.fetch_weights(get_backbone(name))
        assert all(part.is_intact() for part in weights_cache.weights_files(get_backbone(name)))
    assert {path for path, *_ in mirror.requests} == {*mirrored(NET), *mirrored(PRESET)}


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A proxy on loopback: it is asked for whole addresses, and to lead to encrypted ones, which it refuses."""
    monkeypatch.setattr(download, "_RETRY_DELAYS", (0.0,))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with faulty_server() as server:
        server.files["http:/" + PATH] = DATA
        yield server


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_proxy_is_used(name: str, proxy: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, proxy.url)
    assert weights_cache.fetch_weights(backbone(scheme="http")).read_bytes() == DATA
    assert proxy.requests == [("http:/" + PATH, None, None)]


def test_proxy_for_https_tunnels_and_its_password_stays_secret(
    proxy: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = proxy.url.replace("//", "//me:hunter2@")
    monkeypatch.setenv("HTTPS_PROXY", secret)
    with pytest.raises(DownloadFailed, match=r"Is HTTPS_PROXY right\?") as raised:
        weights_cache.fetch_weights(backbone())
    assert {path for path, *_ in proxy.requests} == {"CONNECT weights.example:443"}
    assert "hunter2" not in str(raised.value)


def test_no_proxy_exempts_a_host(proxy: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with faulty_server() as mirror:
        mirror.files[PATH] = DATA
        monkeypatch.setenv("GRAFT_MIRROR", mirror.url)
        assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA
    assert proxy.requests == []


@pytest.mark.parametrize("value", ["ftp://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_proxy_that_is_unsupported_is_refused(value: str, proxy: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(DownloadFailed, match="proxy settings cannot be used"):
        weights_cache.fetch_weights(backbone())
