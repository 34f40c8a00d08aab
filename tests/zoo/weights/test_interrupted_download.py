"""A kill in mid-download, a race, a page in the place of a file, a bit that flips: nothing wrong is left behind."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graft.errors import DownloadFailed, HashMismatch
from tests.support.zoo.file_server import FaultyServer
from tests.support.zoo.tiny_weights import DATA, backbone, content, mirrored, sha256
from zoo.catalog.backbone import FileSource
from zoo.catalog.find import get_backbone
from zoo.weights import weights_cache

NET = "mobilenet_v2.imagenet"  # one file, without a hash
PRESET = "bert_tiny.en_uncased"  # several files
LARGE = DATA * 20  # 205 kB
FETCH = (
    "from zoo.catalog.find import get_backbone; from zoo.weights.weights_cache import fetch_weights; "
    f"print(fetch_weights(get_backbone({NET!r})))"
)


@pytest.fixture
def net(mirror: FaultyServer) -> FaultyServer:
    mirror.files |= mirrored(NET, LARGE)
    return mirror


def start_fetch() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )


def part_path() -> Path:
    path = weights_cache.weights_path(get_backbone(NET))
    return path.with_name(path.name + ".part")


def wait_for_first_bytes(process: subprocess.Popen[bytes]) -> None:
    while not part_path().is_file() or not part_path().stat().st_size:
        assert process.poll() is None
        time.sleep(0.01)


def folder_names() -> list[str]:
    return sorted(path.name for path in weights_cache.weights_folder(get_backbone(NET)).glob("*"))


def complete_names() -> list[str]:
    name = weights_cache.weights_path(get_backbone(NET)).name
    return [name, f"{name}.json"]


def test_resume_download_after_a_kill(net: FaultyServer) -> None:
    net.stalls = [150_000]
    with start_fetch() as process:
        wait_for_first_bytes(process)
        process.kill()
    assert folder_names() == [part_path().name, f"{part_path().name}.json"]
    received = part_path().stat().st_size
    assert weights_cache.fetch_weights(get_backbone(NET)).read_bytes() == LARGE
    assert [request[1:] for request in net.requests] == [(None, None), (f"bytes={received}-", '"one"')]
    assert folder_names() == complete_names()


def test_download_lock_passes_on_when_its_holder_is_killed(net: FaultyServer) -> None:
    net.stalls = [150_000]
    with start_fetch() as first:
        wait_for_first_bytes(first)
        with start_fetch() as second:
            time.sleep(0.5)  # it waits for the lock by now, or comes late; either way it must get the file
            first.kill()
            message, _ = second.communicate()
    assert Path(message.decode().strip()).read_bytes() == LARGE
    assert len(net.requests) == 2
    assert folder_names() == complete_names()


def test_leftovers_of_killed_downloads_are_swept(net: FaultyServer) -> None:
    folder = weights_cache.weights_folder(get_backbone(NET))
    (folder / ".fetch-killed").mkdir(parents=True)
    (folder / ".fetch-killed" / "some.whl").write_bytes(DATA)
    (folder / f".{part_path().name}.abc.part").write_bytes(b"{")
    weights_cache.fetch_weights(get_backbone(NET))
    assert folder_names() == complete_names()


PAGES = {
    "html": b"<!DOCTYPE html><title>Please log in</title>",
    "spaced": b"\n\n  <HTML><body>Proxy error</body></HTML>",
    "marked": b"\xef\xbb\xbf<html></html>",
    "xml": b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
    "empty": b"",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("kind", [".h5", "config.json", "vocabulary.txt"])
def test_download_of_a_web_page_is_no_preset(kind: str, page: bytes, mirror: FaultyServer) -> None:
    mirror.files |= mirrored(PRESET)
    (address,) = [path for path in mirror.files if path.endswith(kind) and PRESET.split(".")[0] in path]
    mirror.files[address] = page
    with pytest.raises(DownloadFailed, match=r"instead of .*Is a proxy or a log-in page in between\?"):
        weights_cache.fetch_weights(get_backbone(PRESET))
    spoilt = [
        p
        for p in weights_cache.weights_folder(get_backbone(PRESET)).rglob("*")
        if p.is_file() and p.read_bytes() == page
    ]
    assert not spoilt
    mirror.files |= mirrored(PRESET)
    weights_cache.fetch_weights(get_backbone(PRESET))


def test_vocabulary_starting_with_an_angle_bracket_is_no_web_page(mirror: FaultyServer) -> None:
    mirror.files |= mirrored(PRESET)
    weights_cache.fetch_weights(get_backbone(PRESET))
    source = get_backbone(PRESET).source
    assert isinstance(source, FileSource)
    for file in source.files:
        assert (weights_cache.weights_folder(get_backbone(PRESET)) / file.path).read_bytes() == content(file.path)


@pytest.mark.parametrize("at", [9, len(DATA) // 2, len(DATA) - 1])
def test_checksum_detects_a_bit_flip_in_transit(at: int, mirror: FaultyServer) -> None:
    pinned = backbone(sha256(DATA))
    (address,) = mirror.files
    mirror.files[address] = DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]
    with pytest.raises(HashMismatch):
        weights_cache.fetch_weights(pinned)
    assert not weights_cache.weights_folder(pinned).exists()


def test_checksum_detects_a_bit_flip_on_disk_and_fetches_again(net: FaultyServer) -> None:
    path = weights_cache.fetch_weights(get_backbone(NET))
    path.write_bytes(LARGE[:777] + bytes([LARGE[777] ^ 8]) + LARGE[778:])
    assert not weights_cache.weights_files(get_backbone(NET))[0].is_intact()
    assert weights_cache.fetch_weights(get_backbone(NET)).read_bytes() == LARGE


def test_interrupted_download_keeps_its_part(net: FaultyServer) -> None:
    net.cuts = [50_000] * 4
    with pytest.raises(DownloadFailed, match="Run the same again to resume"):
        weights_cache.fetch_weights(get_backbone(NET))
    assert folder_names() == [part_path().name, f"{part_path().name}.json"]
    assert part_path().stat().st_size == 200_000


def test_download_of_unknown_size_has_a_limit() -> None:
    unknown = dataclasses.replace(backbone(), megabytes=None)  # type: ignore[arg-type,unused-ignore]
    assert 0 < unknown.max_file_bytes <= 4 << 30
