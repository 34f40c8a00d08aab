"""Weights in a tar for a machine without network: all of it arrives as it was, or nothing of it."""

from __future__ import annotations

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

from tests.zoo import guarded
from tests.zoo.packs import NET, PRESET, Go, nothing_came, unpack
from tests.zoo.servers import FaultyServer
from tests.zoo.tiny import DATA, OTHER, sha256
from zoo import weights
from zoo.backbone import DEFAULT, Precision, get
from zoo.cli import cli
from zoo.errors import HashMismatch, TrunkError, WeightsError
from zoo.files import cache_root
from zoo.pack_index import INDEX
from zoo.packing import pack
from zoo.progress import Silence
from zoo.remote import record_of
from zoo.trunk import Trunk


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_a_pack_arrives_whole_with_its_records(packed: Path) -> None:
    taken = unpack(packed)
    assert [(one.kind, one.name, one.new) for one in taken] == [("weights", PRESET, True), ("weights", NET, True)]
    for name in (NET, PRESET):
        assert weights.fetch(get(name)) == weights.path_of(get(name))  # and that is offline
        assert weights.path_of(get(name)).read_bytes() == DATA
        assert all(json.loads(record_of(part.path).read_bytes())["bytes"] for part in weights.parts(get(name)))
    assert [one.new for one in unpack(packed)] == [False, False]
    assert sorted(path.name for path in (cache_root() / "scratch").iterdir()) == []


def test_trunks_travel_too_and_answer_alike(shared_weights: None, tmp_path: Path, elsewhere: Go) -> None:
    image = {"image": np.full((1, 224, 224, 3), 99, np.uint8)}
    before = Trunk.of(get(DEFAULT), Precision.INT8)(image)
    assert zoo("bundle-weights", DEFAULT, "--trunks", "-o", str(tmp_path / "w.tar")).exit_code == 0
    elsewhere()
    ran = zoo("load", str(tmp_path / "w.tar"))
    assert [line.split()[2] for line in ran.stdout.splitlines()[:3]] == ["weights", "fp32", "int8"]
    assert np.array_equal(Trunk.of(get(DEFAULT), Precision.INT8)(image), before)
    assert zoo("verify").exit_code == 0


def test_loading_opens_no_socket(packed: Path, tmp_path: Path) -> None:
    ran, log = guarded.run(tmp_path / "guard", "zoo", "load", str(packed))
    assert (ran.returncode, log) == (0, ""), ran.stderr


def test_the_same_weights_make_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    unpack(packed)
    pack([get(PRESET), get(NET)], tmp_path / "again.tar", Silence(), trunks=False)
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()


def test_any_tar_can_read_it_and_sha256sum_knows_the_index(packed: Path, tmp_path: Path) -> None:
    with tarfile.open(packed) as tar:
        tar.extractall(tmp_path / "open", filter="data")
    digest, name = (tmp_path / "open" / f"{INDEX}.sha256").read_text().split()
    assert hashlib.sha256((tmp_path / "open" / name).read_bytes()).hexdigest() == digest
    assert (tmp_path / "open" / "weights" / NET / weights.path_of(get(NET)).name).read_bytes() == DATA


def test_what_graft_lock_says_holds_for_packs(packed: Path, team: Path) -> None:
    facts = {"bytes": 1, "from": "there", "sha256": sha256(OTHER)}
    lock = {"graft_lock": 1, "weights": {NET: {weights.path_of(get(NET)).name: facts}}}
    (team / "graft.lock").write_text(json.dumps(lock))
    with pytest.raises(HashMismatch) as told:
        unpack(packed)
    for word in (sha256(DATA), sha256(OTHER), "graft.lock", NET, "on purpose"):
        assert word in str(told.value)
    assert nothing_came()


def test_what_comes_is_added_to_graft_lock(packed: Path, team: Path) -> None:
    (team / "graft.lock").write_text('{"graft_lock": 1, "weights": {}}')
    unpack(packed)
    assert set(json.loads((team / "graft.lock").read_text())["weights"]) == {NET, PRESET}


def test_what_was_fetched_here_first_holds_for_packs(packed: Path) -> None:
    unpack(packed)
    record = record_of(weights.path_of(get(NET)))
    record.write_text(record.read_text().replace(sha256(DATA), sha256(OTHER)))
    with pytest.raises(HashMismatch, match="first delete"):
        unpack(packed)


def test_a_damaged_file_is_replaced_and_a_download_under_way_given_up(packed: Path) -> None:
    unpack(packed)
    path = weights.path_of(get(NET))
    path.write_bytes(DATA[:-1])
    path.with_name(path.name + ".part").write_bytes(DATA[:5])
    assert [one.new for one in unpack(packed)] == [False, True]
    assert path.read_bytes() == DATA
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, path.name + ".json"]


def test_if_one_cannot_come_in_none_does(packed: Path) -> None:
    unpack(packed)
    for name in (NET, PRESET):
        weights.path_of(get(name)).write_bytes(OTHER)
    lock = weights.folder_of(get(NET)).with_name(f"{NET}.lock")
    lock.unlink()
    lock.mkdir()  # the second of the two cannot be locked
    with pytest.raises(WeightsError, match="Nothing of it was kept"):
        unpack(packed)
    assert weights.path_of(get(PRESET)).read_bytes() == OTHER  # the first of the two is as it was


def test_a_full_disk_is_told_before(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(WeightsError, match="zoo cache --prune"):
        unpack(packed)
    assert nothing_came()


def test_a_kill_leaves_what_the_next_one_sweeps(packed: Path) -> None:
    code = "import os, sys, signal; from pathlib import Path; from zoo import unpacking\n"
    code += "from zoo.progress import Silence\n"
    code += "unpacking._moved = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += "unpacking.unpack(Path(sys.argv[1]), Silence())"
    ran = subprocess.run([sys.executable, "-c", code, str(packed)], check=False, env=os.environ)
    assert ran.returncode == -9
    assert [path for path in (cache_root() / "scratch").iterdir() if path.is_dir()]
    unpack(packed)
    assert list((cache_root() / "scratch").iterdir()) == []


def test_a_kill_while_packing_leaves_what_the_next_one_sweeps(packed: Path, tmp_path: Path) -> None:
    unpack(packed)
    code = "import os, sys, signal; from pathlib import Path; from zoo import packing; from zoo.backbone import get\n"
    code += "from zoo.progress import Silence\n"
    code += "packing._write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += f"packing.pack([get({NET!r})], Path(sys.argv[1]), Silence(), trunks=False)"
    (tmp_path / "out").mkdir()
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out" / "w.tar")], check=False, env=os.environ)
    assert ran.returncode == -9
    assert list((tmp_path / "out").glob(".w.tar.draft-*/*"))
    pack([get(NET)], tmp_path / "out" / "w.tar", Silence(), trunks=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["w.tar"]


def test_where_it_cannot_be_written_is_told_before_anything_is_fetched(mirror: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = zoo("bundle-weights", NET, "-o", str(tmp_path / "file" / "w.tar"))
    assert "Give another place with -o" in str(ran.exception)
    assert mirror.asked == []


def test_a_trunk_that_cannot_be_is_told_before_anything_is_fetched(mirror: FaultyServer, tmp_path: Path) -> None:
    ran = zoo("bundle-weights", NET, "dinov3_vit_7b.lvd1689m", "--trunks", "-o", str(tmp_path / "w.tar"))
    assert isinstance(ran.exception, TrunkError)
    assert mirror.asked == []


def test_packing_tells_what_it_packed(packed: Path, tmp_path: Path) -> None:
    unpack(packed)
    ran = zoo("bundle-weights", NET, NET, "-o", str(tmp_path / "w.tar"), "--json")
    assert [file["sha256"] for file in json.loads(ran.stdout)["files"]] == [sha256(DATA)]
    told = json.loads(zoo("load", str(tmp_path / "w.tar"), "--json").stdout)
    assert [one["new"] for one in told] == [False]
