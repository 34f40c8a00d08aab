"""Weights in a tar for a machine without network: all of it arrives as it was, or nothing of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from graft.errors import HashMismatch, TrunkError, WeightsError
from graft.progress import SilentProgress
from graft.storage.cache_root import cache_root
from tests.support.zoo import without_sockets
from tests.support.zoo.file_server import FaultyServer
from tests.support.zoo.offline_packs import NET, PRESET, SwitchMachine, is_cache_empty, unpack
from tests.support.zoo.tiny_weights import DATA, OTHER, sha256
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.cli.main import cli
from zoo.manage.offline_pack import INDEX_FILE, pack_weights
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache
from zoo.weights.checksums import hash_record_path


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_pack_round_trip_with_records(pack_file: Path) -> None:
    taken = unpack(pack_file)
    assert [(one.kind, one.name, one.new) for one in taken] == [("weights", PRESET, True), ("weights", NET, True)]
    for name in (NET, PRESET):
        assert weights_cache.fetch_weights(get_backbone(name)) == weights_cache.weights_path(
            get_backbone(name)
        )  # and that is offline
        assert weights_cache.weights_path(get_backbone(name)).read_bytes() == DATA
        assert all(
            json.loads(hash_record_path(part.path).read_bytes())["bytes"]
            for part in weights_cache.weights_files(get_backbone(name))
        )
    assert [one.new for one in unpack(pack_file)] == [False, False]
    assert sorted(path.name for path in (cache_root() / "scratch").iterdir()) == []


def test_pack_with_trunks_answers_alike_elsewhere(
    shared_weights: None, tmp_path: Path, other_machine: SwitchMachine
) -> None:
    image = {"image": np.full((1, 224, 224, 3), 99, np.uint8)}
    before = Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)(image)
    assert zoo("bundle-weights", DEFAULT_IMAGE_BACKBONE, "--trunks", "-o", str(tmp_path / "w.tar")).exit_code == 0
    other_machine()
    ran = zoo("load", str(tmp_path / "w.tar"))
    assert [line.split()[1] for line in ran.stdout.splitlines()[:3]] == ["weights", "fp32", "int8"]
    assert np.array_equal(Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)(image), before)
    assert zoo("verify").exit_code == 0


def test_pack_load_opens_no_socket(pack_file: Path, tmp_path: Path) -> None:
    ran, log = without_sockets.run(tmp_path / "guard", "zoo", "load", str(pack_file))
    assert (ran.returncode, log) == (0, ""), ran.stderr


def test_pack_is_deterministic(pack_file: Path, tmp_path: Path) -> None:
    unpack(pack_file)
    pack_weights([get_backbone(PRESET), get_backbone(NET)], tmp_path / "again.tar", SilentProgress(), trunks=False)
    assert (tmp_path / "again.tar").read_bytes() == pack_file.read_bytes()


OLD_PACK = Path(__file__).with_name("pack_protocol_1.tar.gz")  # of NET and PRESET, by Graft before it used tarfile


def test_pack_of_an_earlier_version_loads(other_machine: SwitchMachine, tmp_path: Path) -> None:
    other_machine()
    (tmp_path / "old.tar").write_bytes(gzip.decompress(OLD_PACK.read_bytes()))
    assert [(one.name, one.new) for one in unpack(tmp_path / "old.tar")] == [(PRESET, True), (NET, True)]
    for name in (NET, PRESET):
        assert weights_cache.fetch_weights(get_backbone(name)).read_bytes() == DATA


def test_pack_has_the_bytes_of_earlier_versions(pack_file: Path) -> None:
    """So an earlier Graft loads it, too."""
    assert pack_file.read_bytes() == gzip.decompress(OLD_PACK.read_bytes())


def test_pack_is_a_plain_tar_with_a_sha256sum_index(pack_file: Path, tmp_path: Path) -> None:
    with tarfile.open(pack_file) as tar:
        tar.extractall(tmp_path / "open", filter="data")
    digest, name = (tmp_path / "open" / f"{INDEX_FILE}.sha256").read_text().split()
    assert hashlib.sha256((tmp_path / "open" / name).read_bytes()).hexdigest() == digest
    assert (
        tmp_path / "open" / "weights" / NET / weights_cache.weights_path(get_backbone(NET)).name
    ).read_bytes() == DATA


def test_pack_is_held_to_the_lockfile(pack_file: Path, team: Path) -> None:
    facts = {"bytes": 1, "from": "there", "sha256": sha256(OTHER)}
    lock = {"graft_lock": 1, "weights": {NET: {weights_cache.weights_path(get_backbone(NET)).name: facts}}}
    (team / "graft.lock").write_text(json.dumps(lock))
    with pytest.raises(HashMismatch) as raised:
        unpack(pack_file)
    for word in (sha256(DATA), sha256(OTHER), "graft.lock", NET, "on purpose"):
        assert word in str(raised.value)
    assert is_cache_empty()


def test_pack_load_adds_to_the_lockfile(pack_file: Path, team: Path) -> None:
    (team / "graft.lock").write_text('{"graft_lock": 1, "weights": {}}')
    unpack(pack_file)
    assert set(json.loads((team / "graft.lock").read_text())["weights"]) == {NET, PRESET}


def test_pack_is_held_to_checksums_of_first_download(pack_file: Path) -> None:
    unpack(pack_file)
    record = hash_record_path(weights_cache.weights_path(get_backbone(NET)))
    record.write_text(record.read_text().replace(sha256(DATA), sha256(OTHER)))
    with pytest.raises(HashMismatch, match="first delete"):
        unpack(pack_file)


def test_pack_load_replaces_damaged_and_partial_files(pack_file: Path) -> None:
    unpack(pack_file)
    path = weights_cache.weights_path(get_backbone(NET))
    path.write_bytes(DATA[:-1])
    path.with_name(path.name + ".part").write_bytes(DATA[:5])
    assert [one.new for one in unpack(pack_file)] == [False, True]
    assert path.read_bytes() == DATA
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, path.name + ".json"]


def test_pack_load_is_atomic(pack_file: Path) -> None:
    unpack(pack_file)
    for name in (NET, PRESET):
        weights_cache.weights_path(get_backbone(name)).write_bytes(OTHER)
    lock = weights_cache.weights_folder(get_backbone(NET)).with_name(f"{NET}.lock")
    lock.unlink()
    lock.mkdir()  # the second of the two cannot be locked
    with pytest.raises(WeightsError, match="Nothing of it was kept"):
        unpack(pack_file)
    assert weights_cache.weights_path(get_backbone(PRESET)).read_bytes() == OTHER  # the first of the two is as it was


def test_pack_load_refuses_a_full_disk_beforehand(pack_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(WeightsError, match="zoo cache --prune"):
        unpack(pack_file)
    assert is_cache_empty()


def test_pack_load_sweeps_leftovers_of_a_kill(pack_file: Path) -> None:
    code = "import os, sys, signal; from pathlib import Path; from zoo.manage import offline_unpack\n"
    code += "from graft.progress import SilentProgress\n"
    code += "offline_unpack._move_into_cache = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += "offline_unpack.unpack_weights(Path(sys.argv[1]), SilentProgress())"
    ran = subprocess.run([sys.executable, "-c", code, str(pack_file)], check=False, env=os.environ)
    assert ran.returncode == -9
    assert [path for path in (cache_root() / "scratch").iterdir() if path.is_dir()]
    unpack(pack_file)
    assert list((cache_root() / "scratch").iterdir()) == []


def test_pack_write_sweeps_leftovers_of_a_kill(pack_file: Path, tmp_path: Path) -> None:
    unpack(pack_file)
    code = "import os, sys, signal; from pathlib import Path; from zoo import get_backbone\n"
    code += "from graft.progress import SilentProgress\n"
    code += "from zoo.manage import offline_pack\n"
    code += "offline_pack._write_tar = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += f"offline_pack.pack_weights([get_backbone({NET!r})], Path(sys.argv[1]), SilentProgress(), trunks=False)"
    (tmp_path / "out").mkdir()
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out" / "w.tar")], check=False, env=os.environ)
    assert ran.returncode == -9
    assert list((tmp_path / "out").glob(".w.tar.draft-*/*"))
    pack_weights([get_backbone(NET)], tmp_path / "out" / "w.tar", SilentProgress(), trunks=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["w.tar"]


def test_pack_to_an_unwritable_folder_is_refused_before_fetching(mirror: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = zoo("bundle-weights", NET, "-o", str(tmp_path / "file" / "w.tar"))
    assert "Give another place with -o" in str(ran.exception)
    assert mirror.requests == []


def test_pack_with_an_unbuildable_trunk_is_refused_before_fetching(mirror: FaultyServer, tmp_path: Path) -> None:
    ran = zoo("bundle-weights", NET, "dinov3_vit_7b.lvd1689m", "--trunks", "-o", str(tmp_path / "w.tar"))
    assert isinstance(ran.exception, TrunkError)
    assert mirror.requests == []


def test_pack_command_reports_its_files_as_json(pack_file: Path, tmp_path: Path) -> None:
    unpack(pack_file)
    ran = zoo("bundle-weights", NET, NET, "-o", str(tmp_path / "w.tar"), "--json")
    assert [file["sha256"] for file in json.loads(ran.stdout)["files"]] == [sha256(DATA)]
    report = json.loads(zoo("load", str(tmp_path / "w.tar"), "--json").stdout)
    assert [one["new"] for one in report] == [False]
