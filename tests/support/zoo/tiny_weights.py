"""Weights of a few kilobytes: as an entry of a made-up publisher, and in the place of real entries on a mirror."""

from __future__ import annotations

import dataclasses
import hashlib

from zoo.catalog.backbone import Backbone, FileSource, RemoteFile
from zoo.catalog.find import get_backbone

DATA = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 40  # 10 kB
OTHER = DATA[:8] + DATA[:7:-1]
PATH = "/weights.example/nets/tiny.h5"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def backbone(sha256: str | None = None, scheme: str = "https") -> Backbone:
    """An entry of one file, pinned or not."""
    source = RemoteFile(url=f"{scheme}://weights.example/nets/tiny.h5", path="tiny.h5", sha256=sha256)
    return dataclasses.replace(
        get_backbone("vgg16"), name="tiny.test", source=FileSource(files=(source,)), megabytes=0.2
    )


def mirrored(name: str, data: bytes = DATA) -> dict[str, bytes]:
    """Every file of a real entry by the path that a mirror has it under: `data` for weights, a little for the rest."""
    source = get_backbone(name).source
    assert isinstance(source, FileSource)
    return {"/" + file.url.removeprefix("https://"): content(file.path, data) for file in source.files}


def content(path: str, data: bytes = DATA) -> bytes:
    """Bytes that a file of that name may begin with."""
    if path.endswith((".h5", ".pth")):
        return data
    return b"{}" if path.endswith(".json") else b"<unk>\n<s>\nword\n"
