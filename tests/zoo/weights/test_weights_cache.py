"""Fetching weights from servers that fail: what is cached is whole and verified, or not there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from graft.errors import DownloadFailed, HashMismatch, Offline, WeightsError
from graft.progress import SilentProgress
from tests.support.zoo.file_server import FaultyServer, faulty_server
from zoo.catalog.backbone import Backbone, FileSource, RemoteFile
from zoo.catalog.find import get_backbone
from zoo.weights import download, weights_cache
from zoo.weights.checksums import hash_record_path
from zoo.weights.partial_file import PartialFile

DATA = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 800  # 205 kB
OTHER = DATA[:8] + DATA[:7:-1]
PATH = "/weights.example/nets/tiny.h5"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setattr(download, "_RETRY_DELAYS", (0.0, 0.0, 0.0))
    with faulty_server() as server:
        server.files[PATH] = DATA
        monkeypatch.setenv("GRAFT_MIRROR", server.url + "/")
        yield server


def backbone(sha256: str | None = None, md5: str | None = None) -> Backbone:
    source = RemoteFile(url="https://weights.example/nets/tiny.h5", path="tiny.h5", sha256=sha256, md5=md5)
    return dataclasses.replace(
        get_backbone("vgg16"), name="tiny.test", source=FileSource(files=(source,)), megabytes=0.2
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def nothing_cached() -> bool:
    path = weights_cache.weights_path(backbone())
    return not path.exists() and not list(path.parent.glob("*.part*"))


def test_download_is_complete_recorded_and_leaves_no_part(server: FaultyServer) -> None:
    path = weights_cache.fetch_weights(backbone(md5=hashlib.md5(DATA, usedforsecurity=False).hexdigest()))
    assert path.read_bytes() == DATA
    assert (
        json.loads(hash_record_path(path).read_bytes())["sha256"]
        == sha256(DATA)
        == weights_cache.expected_weights_hash(backbone())
    )
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".h5", ".json"]


def test_download_uses_the_cache(server: FaultyServer) -> None:
    weights_cache.fetch_weights(backbone())
    weights_cache.fetch_weights(backbone())
    assert len(server.requests) == 1


def test_resume_download_after_a_cut_connection(server: FaultyServer) -> None:
    server.cuts = [70_000, 50_000]
    assert weights_cache.fetch_weights(backbone(sha256(DATA))).read_bytes() == DATA
    assert server.requests == [
        (PATH, None, None),
        (PATH, "bytes=70000-", '"one"'),
        (PATH, "bytes=120000-", '"one"'),
    ]


def test_resume_download_when_the_server_sends_less(server: FaultyServer) -> None:
    server.cuts, server.piece = [5_000], 100_000
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA
    assert [wanted for _, wanted, _ in server.requests] == [None, "bytes=5000-", "bytes=105000-"]


def test_resume_download_in_a_later_run(server: FaultyServer) -> None:
    server.cuts = [10_000] * 4
    with pytest.raises(DownloadFailed, match="after the 40,000 bytes that are kept"):
        weights_cache.fetch_weights(backbone())
    assert not weights_cache.weights_path(backbone()).exists()
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA
    assert server.requests[-1] == (PATH, "bytes=40000-", '"one"')


def test_resume_download_starts_over_if_the_file_changed(server: FaultyServer) -> None:
    server.cuts = [10_000] * 4
    with pytest.raises(DownloadFailed):
        weights_cache.fetch_weights(backbone())
    server.files[PATH], server.etag = OTHER, '"two"'
    assert weights_cache.fetch_weights(backbone()).read_bytes() == OTHER


def test_resume_download_refuses_a_range_of_another_version(server: FaultyServer) -> None:
    server.cuts = [10_000] * 4
    with pytest.raises(DownloadFailed):
        weights_cache.fetch_weights(backbone())
    server.files[PATH], server.etag, server.checks_versions = OTHER, '"two"', False
    assert weights_cache.fetch_weights(backbone()).read_bytes() == OTHER


def test_resume_download_without_an_etag_starts_over(server: FaultyServer) -> None:
    server.cuts, server.etag = [70_000], None
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA
    assert [wanted for _, wanted, _ in server.requests] == [None, None]


def test_resume_download_with_a_weak_etag_starts_over(server: FaultyServer) -> None:
    server.cuts, server.etag = [70_000], 'W/"one"'
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA
    assert [wanted for _, wanted, _ in server.requests] == [None, None]


@pytest.mark.parametrize("stale", [b"\0" * 40_000, DATA[:8] + b"\0" * 300_000], ids=["rotten", "too long"])
def test_resume_download_checksum_rejects_a_stale_part(server: FaultyServer, stale: bytes) -> None:
    server.cuts = [40_000] + [0] * 3
    with pytest.raises(DownloadFailed):
        weights_cache.fetch_weights(backbone(sha256(DATA)))
    path = weights_cache.weights_path(backbone())
    path.with_name(path.name + ".part").write_bytes(stale)
    assert weights_cache.fetch_weights(backbone(sha256(DATA))).read_bytes() == DATA


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the blocks that partial files hash."""
    sizes: list[int] = []
    update = PartialFile._update_hashes

    def count(part: PartialFile, block: bytes) -> None:
        sizes.append(len(block))
        update(part, block)

    monkeypatch.setattr(PartialFile, "_update_hashes", count)
    return sizes


def download_it(server: FaultyServer, path: Path, sha256: str | None = None) -> str:
    url = server.url + PATH
    return download.download(url, path, sha256=sha256, max_bytes=1 << 20, progress=SilentProgress())


@pytest.mark.parametrize("cuts", [[], [70_000, 50_000], [0, 1]], ids=["whole", "cut twice", "cut at once"])
def test_download_hashes_every_byte_once_while_it_streams(
    cuts: list[int], server: FaultyServer, hashed: list[int], tmp_path: Path
) -> None:
    server.cuts = cuts
    assert download_it(server, tmp_path / "tiny.h5", sha256(DATA)) == sha256(DATA)
    assert sum(hashed) == len(DATA)


def test_resume_download_hashes_the_bytes_of_the_earlier_run(
    server: FaultyServer, hashed: list[int], tmp_path: Path
) -> None:
    server.cuts = [10_000] * 4
    with pytest.raises(DownloadFailed):
        download_it(server, tmp_path / "tiny.h5")
    hashed.clear()
    assert download_it(server, tmp_path / "tiny.h5", sha256(DATA)) == sha256(DATA)
    assert server.requests[-1] == (PATH, "bytes=40000-", '"one"')
    assert sum(hashed) == len(DATA)


def test_resume_download_from_a_rotten_part_hashes_anew(server: FaultyServer, tmp_path: Path) -> None:
    """Without an expected hash nobody can know; with one the rotten bytes are dropped with their hash."""
    server.cuts = [40_000] + [0] * 3
    with pytest.raises(DownloadFailed):
        download_it(server, tmp_path / "tiny.h5")
    rotten = DATA[:39_999] + b"?"
    (tmp_path / "tiny.h5.part").write_bytes(rotten)
    assert download_it(server, tmp_path / "tiny.h5", sha256(DATA)) == sha256(DATA)
    assert (tmp_path / "tiny.h5").read_bytes() == DATA


def test_checksum_of_an_interrupted_resume_is_that_of_the_bytes_on_disk(server: FaultyServer, tmp_path: Path) -> None:
    """Resumed in two later runs, once with a server that starts over: the hash returned is the file's."""
    server.cuts = [10_000] * 8
    for _ in range(2):
        with pytest.raises(DownloadFailed):
            download_it(server, tmp_path / "tiny.h5")
    server.etag = '"two"'
    digest = download_it(server, tmp_path / "tiny.h5")
    assert digest == sha256((tmp_path / "tiny.h5").read_bytes()) == sha256(DATA)


def test_checksum_mismatch_is_thrown_away(server: FaultyServer) -> None:
    with pytest.raises(HashMismatch, match=sha256(OTHER)):
        weights_cache.fetch_weights(backbone(sha256(OTHER)))
    assert nothing_cached()


def test_checksum_md5_of_the_publisher_is_checked(server: FaultyServer) -> None:
    with pytest.raises(HashMismatch, match="MD5"):
        weights_cache.fetch_weights(backbone(md5="0" * 32))
    assert nothing_cached()
    assert weights_cache.expected_weights_hash(backbone()) is None


def test_checksum_trusted_on_first_use_must_match_later(server: FaultyServer) -> None:
    path = weights_cache.fetch_weights(backbone())
    path.unlink()
    server.files[PATH] = OTHER
    with pytest.raises(HashMismatch, match=r"on purpose, delete .*tiny.h5.json"):
        weights_cache.fetch_weights(backbone())
    server.files[PATH] = DATA
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA


def test_checksum_of_a_damaged_cached_file_fetches_again(server: FaultyServer) -> None:
    weights_cache.fetch_weights(backbone()).write_bytes(DATA[:-1])
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA


def test_download_of_a_web_page_is_refused(server: FaultyServer) -> None:
    server.files[PATH] = b"<!DOCTYPE html><title>Please log in</title>"
    with pytest.raises(DownloadFailed, match=r"a web page instead of tiny.h5"):
        weights_cache.fetch_weights(backbone())
    assert nothing_cached()


@pytest.mark.parametrize("sends_length", [True, False])
def test_download_larger_than_expected_is_refused(server: FaultyServer, sends_length: bool) -> None:
    server.files[PATH], server.sends_length = DATA * 3, sends_length
    with pytest.raises(DownloadFailed, match="400,000"):
        weights_cache.fetch_weights(backbone())
    assert nothing_cached()


def test_no_retry_on_404(server: FaultyServer) -> None:
    del server.files[PATH]
    with pytest.raises(DownloadFailed, match="404"):
        weights_cache.fetch_weights(backbone())
    assert len(server.requests) == 1


def test_retry_on_503_and_429(server: FaultyServer) -> None:
    server.statuses = [503, 429]
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA


def test_retry_on_timeout_gives_up_after_4_attempts(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_HTTP_TIMEOUT", httpx2.Timeout(0.1))
    server.delay = 0.3
    with pytest.raises(DownloadFailed, match="4 attempts"):
        weights_cache.fetch_weights(backbone())


def test_download_that_is_compressed_is_refused(server: FaultyServer) -> None:
    server.headers["Content-Encoding"] = "gzip"
    with pytest.raises(DownloadFailed, match="compressed"):
        weights_cache.fetch_weights(backbone())


def test_download_redirect_from_https_to_http_is_refused() -> None:
    answer = httpx2.Response(200, request=httpx2.Request("GET", "http://weights.example/a.h5"))
    with pytest.raises(DownloadFailed, match="not encrypted"):
        download._check_response("https://weights.example/a.h5", answer)


def test_download_from_an_unreachable_mirror_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_RETRY_DELAYS", ())
    monkeypatch.setenv("GRAFT_MIRROR", "http://127.0.0.1:1")
    with pytest.raises(DownloadFailed, match="GRAFT_MIRROR"):
        weights_cache.fetch_weights(backbone())


def test_offline_opens_no_connection_and_says_what_to_do(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    with pytest.raises(Offline, match=r"zoo pull tiny.test"):
        weights_cache.fetch_weights(backbone())
    assert server.requests == []


def test_offline_uses_the_cache(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights_cache.fetch_weights(backbone())
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert weights_cache.fetch_weights(backbone()) == path


def test_download_to_an_unwritable_cache_is_refused(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="GRAFT_CACHE"):
        weights_cache.fetch_weights(backbone())


def test_download_once_by_racing_threads(server: FaultyServer) -> None:
    server.delay = 0.1
    threads = [threading.Thread(target=weights_cache.fetch_weights, args=[backbone()]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert weights_cache.weights_path(backbone()).read_bytes() == DATA
    assert len(server.requests) == 1


def test_download_once_by_racing_processes(server: FaultyServer) -> None:
    source = get_backbone("mobilenet_v2").source
    assert isinstance(source, FileSource)
    server.files["/" + source.files[0].url.removeprefix("https://")] = DATA
    server.delay = 0.3
    script = (
        "from zoo.catalog.find import get_backbone; from zoo.weights.weights_cache import fetch_weights; "
        "print(fetch_weights(get_backbone('mobilenet_v2')))"
    )
    racers = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=os.environ) for _ in "ab"]
    answers = {racer.communicate()[0] for racer in racers}
    assert len(answers) == len(server.requests) == 1
    assert weights_cache.weights_path(get_backbone("mobilenet_v2")).read_bytes() == DATA
