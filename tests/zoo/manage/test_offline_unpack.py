"""Packs of weights that are damaged, repacked or made to do harm: refused, and nothing of them is left."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from graft.errors import HashMismatch, WeightsError
from graft.progress import SilentProgress
from graft.storage.cache_root import cache_root
from tests.support.zoo.offline_packs import NET, PRESET, SwitchMachine, is_cache_empty, unpack, ustar, write_pack
from tests.support.zoo.tiny_weights import DATA, sha256
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.catalog.find import get_backbone
from zoo.manage.offline_pack import (
    INDEX_CHECKSUM_FILE,
    INDEX_FILE,
    PackEntry,
    PackIndex,
    index_checksum,
    pack_weights,
)
from zoo.weights import weights_cache


def test_checksum_refuses_every_bit_flip_in_a_pack(pack_file: Path, tmp_path: Path) -> None:
    """But for bits that nothing is read from: behind a file, at the end, and some of a header's own checksum."""
    whole = pack_file.read_bytes()
    with tarfile.open(pack_file) as tar:
        read = [(one.offset, one.offset + 148) for one in tar] + [(one.offset + 156, one.offset + 512) for one in tar]
        read += [(one.offset_data, one.offset_data + one.size) for one in tar]
    chosen = np.random.default_rng(0).integers(len(whole), size=160).tolist()
    in_the_checksum = whole.index(f"  {INDEX_FILE}\n".encode())
    harmless = 0
    for at in [*range(0, 600, 37), in_the_checksum - 9, in_the_checksum + 5, *chosen, len(whole) - 1]:
        (tmp_path / "bad.tar").write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        if any(start <= at < end for start, end in read):
            with pytest.raises((WeightsError, HashMismatch)):
                unpack(tmp_path / "bad.tar")
            assert is_cache_empty(), at
        else:
            harmless += 1
    assert harmless < 40


@pytest.mark.parametrize("where", ["behind a file", "behind the checksum of a header", "at the end"])
def test_pack_with_a_bit_flip_in_its_padding_loads_the_true_bytes(where: str, pack_file: Path) -> None:
    with tarfile.open(pack_file) as tar:
        last = tar.getmembers()[-1]
    whole = pack_file.read_bytes()
    at = {"behind a file": last.offset_data + last.size, "at the end": len(whole) - 1}.get(where, last.offset + 155)
    pack_file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert [one.new for one in unpack(pack_file)] == [True, True]
    for name in (NET, PRESET):
        assert weights_cache.weights_path(get_backbone(name)).read_bytes() == DATA


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 5000, -1, -1024, -1025])
def test_truncated_pack_is_refused(keep: int, pack_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.tar").write_bytes(pack_file.read_bytes()[:keep])
    words = {0: "empty file", 1: "truncated header", 511: "truncated header", 512: "unexpected end of data"}
    with pytest.raises(WeightsError, match=words.get(keep, "ends too early")):
        unpack(tmp_path / "cut.tar")
    assert is_cache_empty()


def test_pack_with_trailing_data_is_refused(pack_file: Path) -> None:
    pack_file.write_bytes(pack_file.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="behind the last file"):
        unpack(pack_file)
    assert is_cache_empty()


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


HOSTILE = {
    "link": _member("weights", tarfile.SYMTYPE, "/etc"),
    "hard link": _member(f"weights/{NET}/a", tarfile.LNKTYPE, "/etc/passwd"),
    "device": _member(f"weights/{NET}/a", tarfile.CHRTYPE),
    "fifo": _member(f"weights/{NET}/a", tarfile.FIFOTYPE),
    "folder": _member("weights", tarfile.DIRTYPE),
    "escape": _member("../escaped", size=3),
    "absolute": _member("/escaped", size=3),
    "long name": _member("weights/" + "x" * 300, size=3),
    "huge": _member(f"weights/{NET}/a", size=1 << 40),
}


@pytest.mark.parametrize("member", HOSTILE.values(), ids=HOSTILE)
def test_hostile_tar_members_are_refused(member: tarfile.TarInfo, pack_file: Path, tmp_path: Path) -> None:
    """The hostile entry stands first; behind a true index; and in the place of the first file, the size unchanged."""
    header = member.tobuf(tarfile.GNU_FORMAT)
    entry = header + b"bad".ljust(512, b"\0")
    with tarfile.open(pack_file) as tar:
        heads = [found.offset for found in tar.getmembers()]
    true = pack_file.read_bytes()
    in_place = true[: heads[2]] + header + true[heads[2] + len(header) :]
    for hostile in (entry + true, true[: heads[2]] + entry + true[heads[2] :], in_place):
        (tmp_path / "bad.tar").write_bytes(hostile)
        with pytest.raises(WeightsError, match="Nothing of it was kept"):
            unpack(tmp_path / "bad.tar")
        assert is_cache_empty()
    assert not (cache_root().parent / "escaped").exists()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE])
def test_extended_tar_headers_are_refused_unread(kind: bytes, pack_file: Path, tmp_path: Path) -> None:
    """An extended header that promises a terabyte: whoever believed it would read until the memory is full."""
    with tarfile.open(pack_file) as tar:
        heads = [found.offset for found in tar.getmembers()]
    header = _member("a", kind, size=1 << 40).tobuf(tarfile.GNU_FORMAT)
    true = pack_file.read_bytes()
    for at in (0, heads[1], heads[2]):
        (tmp_path / "bad.tar").write_bytes(true[:at] + header + true[at + len(header) :])
        with pytest.raises(WeightsError, match=r"'a' is not a regular file.*Nothing of it was kept"):
            unpack(tmp_path / "bad.tar")
        assert is_cache_empty()


STRANGE = ["../escaped", "/escaped", f"weights/{NET}/../../escaped", "weights/other.h5", "trunks/0123/trunk.onnx"]


@pytest.mark.parametrize("name", STRANGE)
def test_pack_index_with_paths_outside_the_catalog_is_refused(name: str, pack_file: Path, tmp_path: Path) -> None:
    path = f"weights/{NET}/{weights_cache.weights_path(get_backbone(NET)).name}"
    with pytest.raises(WeightsError, match="no use for"):
        unpack(write_pack(tmp_path / "bad.tar", {path: DATA, name: b"bad"}))
    assert is_cache_empty()


def test_pack_index_that_is_inconsistent_is_refused(pack_file: Path, tmp_path: Path) -> None:
    path = f"weights/{NET}/{weights_cache.weights_path(get_backbone(NET)).name}"
    fact = PackEntry(path, len(DATA), sha256(DATA))
    for index, word in (
        (PackIndex((NET,), ()), "lacks"),
        (PackIndex((NET,), (fact, fact)), "twice"),
        (PackIndex((NET, NET), (fact,)), "twice"),
        (PackIndex(("mobilenet_v2",), (fact,)), "catalog does not"),
        (PackIndex(("none.of_us",), (fact,)), "Update Graft"),
        (PackIndex((NET,), (PackEntry(path, 1 << 40, sha256(DATA)),)), "were expected"),
        (PackIndex((NET,), (PackEntry(path, -1, sha256(DATA)),)), "were expected"),
    ):
        with pytest.raises(WeightsError, match=word):
            unpack(write_pack(tmp_path / "bad.tar", {path: DATA}, index))
        assert is_cache_empty()


def test_pack_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    first = b'{"graft_weights": 2}'
    (tmp_path / "new.tar").write_bytes(ustar({INDEX_FILE: first, INDEX_CHECKSUM_FILE: index_checksum(first)}))
    with pytest.raises(WeightsError, match="Update Graft"):
        unpack(tmp_path / "new.tar")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x1f\x8b", bytes(4096), b"<html>" * 999])
def test_file_that_is_no_pack_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(WeightsError, match="was not written by `zoo bundle-weights`"):
        unpack(tmp_path / "other")


def test_pack_is_held_to_the_catalogs_checksums(
    shared_weights: None, tmp_path: Path, other_machine: SwitchMachine
) -> None:
    """Weights other than the catalog's, in a pack that is true to itself."""
    other_machine()
    path = f"weights/{DEFAULT_IMAGE_BACKBONE}/{weights_cache.weights_path(get_backbone(DEFAULT_IMAGE_BACKBONE)).name}"
    index = PackIndex((DEFAULT_IMAGE_BACKBONE,), (PackEntry(path, len(DATA), sha256(DATA)),))
    with pytest.raises(HashMismatch, match="the catalog says 5793"):
        unpack(write_pack(tmp_path / "bad.tar", {path: DATA}, index))
    assert is_cache_empty()


def test_pack_with_a_trunk_unlike_its_record_is_refused(
    shared_weights: None, tmp_path: Path, other_machine: SwitchMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.tar"
    index = pack_weights([get_backbone(DEFAULT_IMAGE_BACKBONE)], path, SilentProgress(), trunks=True)
    files = {file.path: (cache_root() / file.path).read_bytes() for file in index.files}
    other_machine()
    record = next(name for name in files if name.endswith("trunk.json"))
    good = json.loads(files[record])
    for bad in ({**good, "sha256": "0" * 64}, {**good, "precision": "int4"}, {**good, "input": None}, [], "x"):
        spoilt = {**files, record: json.dumps(bad).encode()}
        facts = tuple(PackEntry(name, len(data), sha256(data)) for name, data in spoilt.items())
        with pytest.raises(HashMismatch, match="differs from its own record"):
            unpack(write_pack(path, spoilt, PackIndex((DEFAULT_IMAGE_BACKBONE,), facts)))
        assert is_cache_empty()
