"""A host that cannot be reached is waited for once in a command, however many backbones lie there."""

from __future__ import annotations

import json
import socket

import pytest
from click.testing import CliRunner, Result

from graft.errors import DownloadFailed
from tests.support.zoo.tiny_weights import mirrored
from zoo.catalog.find import get_backbone
from zoo.cli.main import cli
from zoo.weights import download, weights_cache
from zoo.weights.dead_hosts import fail_fast_on_dead_hosts, record_dead_host, require_live_host

NET, OTHER_NET = "mobilenet.imagenet", "mobilenet_v2.imagenet"


def pull(*words: str) -> Result:
    return CliRunner().invoke(cli, ["pull", "--weights-only", *words])


@pytest.fixture
def dead_mirror(monkeypatch: pytest.MonkeyPatch) -> str:
    """The mirror is a host where nobody answers."""
    monkeypatch.setattr(download, "_RETRY_DELAYS", ())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("GRAFT_MIRROR", f"http://{host}")
    return host


def test_unreachable_host_fails_the_other_downloads_at_once(dead_mirror: str) -> None:
    report = json.loads(pull(NET, OTHER_NET, "--json").stdout)
    first, second = (one["why"] for one in report["failed"])
    assert "could not be fetched in 1 attempts" in first
    assert second.startswith(f"{dead_mirror} was not tried again: it could not be reached before (")
    rows = [line for line in pull(NET, OTHER_NET).stderr.splitlines() if line.startswith(OTHER_NET)]
    assert len(rows) == 1
    assert "was not tried again" in rows[0]


def test_unreachable_host_is_waited_for_once_in_bench(dead_mirror: str) -> None:
    ran = CliRunner().invoke(cli, ["bench", NET, OTHER_NET])
    assert ran.exit_code == 1
    assert ran.stderr.count("could not be fetched in") == ran.stderr.count("was not tried again") == 1


def test_unreachable_host_is_forgotten_after_the_command(dead_mirror: str) -> None:
    for _ in range(2):
        assert "could not be fetched in" in str(pull(NET).exception)
    with pytest.raises(DownloadFailed, match="could not be fetched in"):
        weights_cache.fetch_weights(get_backbone(NET))


def test_host_answering_an_error_is_not_unreachable(mirror: object) -> None:
    report = json.loads(pull(NET, OTHER_NET, "--json").stdout)
    assert all("404" in one["why"] for one in report["failed"])


def test_failed_download_leaves_no_folder(dead_mirror: str, mirror: object) -> None:
    assert "404" in str(pull(NET).exception)
    assert not weights_cache.weights_folder(get_backbone(NET)).exists()
    mirror.files |= mirrored(NET)  # type: ignore[attr-defined]
    assert pull(NET).exit_code == 0


def test_unreachable_host_does_not_affect_other_hosts() -> None:
    with fail_fast_on_dead_hosts():
        record_dead_host("http://one.example/file", "no route")
        require_live_host("http://other.example/file")
        with pytest.raises(DownloadFailed, match=r"one\.example was not tried again.*no route"):
            require_live_host("http://one.example/another")
    record_dead_host("http://one.example/file", "no route")  # outside a block nothing is kept
    require_live_host("http://one.example/file")


@pytest.mark.parametrize("mirror_", ["mirror.example", "ftp://mirror.example"])
def test_invalid_mirror_url_is_refused_at_once(mirror_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda _: pytest.fail("there is nothing to wait for"))
    monkeypatch.setenv("GRAFT_MIRROR", mirror_)
    with pytest.raises(DownloadFailed, match="begins with https:// or http://"):
        weights_cache.fetch_weights(get_backbone(NET))


def test_pull_all_of_leaves_out_unbuildable_backbones(dead_mirror: str) -> None:
    ran = pull("--all-of", "keras-hub")
    assert "left out, because no trunk can be built of them:" in ran.stderr.splitlines()[0]
    row = next(line for line in ran.stderr.splitlines() if line.startswith("dinov3_vit_7b.lvd1689m "))
    assert "GiB in fp32; an ONNX file holds 2" in row
    report = json.loads(pull("--all-of", "keras-hub", "--json").stdout)
    assert set(report["left_out"]).isdisjoint(one["name"] for one in report["failed"])
    assert "dinov3_vit_7b.lvd1689m" in report["left_out"]


def test_unbuildable_backbone_is_still_fetched_by_name(mirror: object) -> None:
    mirror.files |= mirrored("dinov3_vit_7b.lvd1689m")  # type: ignore[attr-defined]
    assert pull("dinov3_vit_7b.lvd1689m").exit_code == 0
