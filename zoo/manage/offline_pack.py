"""Offline pack: weights, and on request their trunks, in one tar file for a machine without network (air gap).

    graft-weights.json           the index: backbones, files, and the SHA-256 of each file
    graft-weights.json.sha256    the SHA-256 of the index, as sha256sum writes it
    weights/NAME/FILE            as published
    trunks/KEY/FILE              as built, where trunks are packed too

It is a POSIX ustar of regular files in the order of the index; the same content gives the same bytes. To raise
PACK_PROTOCOL: keep reading the old one, and note the change in CHANGELOG.md. A higher number is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from graft.bundle.manifest import reject_duplicate_keys
from graft.errors import WeightsError
from graft.progress import Progress, ProgressBar
from graft.storage.atomic_file import file_sha256, fsync_folder, open_atomic, require_writable
from graft.storage.atomic_folder import draft_folder
from graft.storage.cache_root import cache_root
from zoo.catalog.backbone import Backbone, Precision, require_buildable
from zoo.convert.process.child_process import TOKENIZER_FILE
from zoo.trunks import trunk_cache
from zoo.weights import weights_cache

PACK_PROTOCOL: Final = 1
INDEX_FILE: Final = "graft-weights.json"
INDEX_CHECKSUM_FILE: Final = f"{INDEX_FILE}.sha256"
TRUNK_FILES: Final = ("trunk.onnx", "trunk.json", TOKENIZER_FILE)  # the last one for texts only


@dataclass(frozen=True, slots=True)
class PackEntry:
    """One file of a pack: its path below the cache, its size and its SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PackIndex:
    """The backbones of a pack by name, and its files in their order."""

    backbones: tuple[str, ...]
    files: tuple[PackEntry, ...]

    def to_json(self) -> bytes:
        """Return the bytes of the index."""
        facts = {
            "graft_weights": PACK_PROTOCOL,
            "backbones": self.backbones,
            "files": [asdict(file) for file in self.files],
        }
        return (json.dumps(facts, indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, pack_name: str) -> PackIndex:
        """Return the index that `to_json` wrote; `pack_name` is named in errors.

        Raises:
            ValueError: the bytes are not an index.
            WeightsError: the index has a newer format than this Graft reads.
        """
        try:
            facts = json.loads(data, object_pairs_hook=reject_duplicate_keys)
            if int(facts["graft_weights"]) > PACK_PROTOCOL:
                raise WeightsError(
                    f"{pack_name} has format {facts['graft_weights']}; this Graft reads {PACK_PROTOCOL}. Update Graft."
                )
            files = tuple(PackEntry(str(f["path"]), int(f["bytes"]), str(f["sha256"])) for f in facts["files"])
            names = tuple(map(str, facts["backbones"]))
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise ValueError(f"its index cannot be read: {fault!r}") from None
        if len(set(names)) < len(names):
            raise ValueError("its index cannot be read: it names a backbone twice")
        return cls(names, files)


def index_checksum(index_data: bytes) -> bytes:
    """Return the content of the index's checksum file."""
    return f"{hashlib.sha256(index_data).hexdigest()}  {INDEX_FILE}\n".encode()


def pack_weights(backbones: Sequence[Backbone], path: Path, progress: Progress, *, trunks: bool) -> PackIndex:
    """Write the weights of `backbones` to the tar file `path`, atomically; what is not cached is fetched first.

    With `trunks`, the trunk of each backbone in its default precision is built if it is missing, and all cached trunks
    of the backbones are packed.

    Raises:
        WeightsError: weights could not be fetched (Offline, DownloadFailed, HashMismatch), or the file not be written.
        TrunkError: a trunk could not be built.
        MissingExtra: a trunk must be built, and the extra `train` is not installed.
    """
    chosen = sorted(backbones, key=lambda backbone: backbone.name)
    try:
        require_writable(path.absolute().parent)  # before gigabytes are fetched
    except OSError as fault:
        where = f"{fault.strerror}: {fault.filename}"
        raise WeightsError(f"{path} cannot be written ({where}). Give another place with -o.") from None
    for backbone in chosen if trunks else ():
        require_buildable(backbone)
    for backbone in chosen:
        weights_cache.fetch_weights(backbone, progress)
        if trunks:
            trunk_cache.ensure_trunk(backbone, backbone.precision, progress)
    entries = tuple(entry for backbone in chosen for entry in _iter_entries(backbone, trunks))
    index = PackIndex(tuple(backbone.name for backbone in chosen), entries)
    try:
        total_bytes = sum(entry.bytes for entry in entries)
        with (
            draft_folder(path.absolute().parent, path.name) as draft,
            progress.bar(f"packing {path.name}", total_bytes, "B") as bar,
        ):
            with open_atomic(draft / path.name) as file:
                _write_tar(file, index, bar)
            (draft / path.name).chmod(0o644)  # others read it
            (draft / path.name).replace(path)
        fsync_folder(path.absolute().parent)
    except ValueError as fault:
        raise WeightsError(f"{path} cannot be written: a file does not fit into a tar ({fault}).") from None
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise WeightsError(f"{path} cannot be written ({reason}). Give another place with -o.") from None
    return index


def _iter_entries(backbone: Backbone, trunks: bool) -> Iterator[PackEntry]:
    for file in weights_cache.weights_files(backbone):
        yield PackEntry(_path_in_cache(file.path), file.path.stat().st_size, str(file.expected_sha256))
    cached = [trunk_cache.lookup_trunk(backbone, precision) for precision in Precision] if trunks else []
    for trunk in cached:
        if trunk and trunk.is_intact():
            for path in (trunk.folder / name for name in TRUNK_FILES):
                if path.is_file():
                    yield PackEntry(_path_in_cache(path), path.stat().st_size, file_sha256(path))


def _path_in_cache(path: Path) -> str:
    return path.relative_to(cache_root()).as_posix()


def _write_tar(file: BinaryIO, index: PackIndex, bar: ProgressBar) -> None:
    index_data = index.to_json()
    with tarfile.open(fileobj=file, mode="w:", format=tarfile.USTAR_FORMAT, encoding="ascii", errors="strict") as tar:
        for name, content in ((INDEX_FILE, index_data), (INDEX_CHECKSUM_FILE, index_checksum(index_data))):
            tar.addfile(_tar_info(name, len(content)), io.BytesIO(content))
        for entry in index.files:
            path = cache_root() / entry.path
            with path.open("rb") as source:
                reader = _HashingReader(source, bar)
                tar.addfile(_tar_info(entry.path, entry.bytes), reader)
            if reader.sha256.hexdigest() != entry.sha256:
                raise WeightsError(f"{path} was changed while it was packed. Try again.")
    file.truncate(tar.offset)  # without the zeros that fill up tarfile's last record: as packs have always been


def _tar_info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


class _HashingReader:
    """Reads a file for `tarfile`, hashes what is read and advances the progress bar."""

    def __init__(self, file: BinaryIO, bar: ProgressBar) -> None:
        self._file, self._bar, self.sha256 = file, bar, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size`."""
        block = self._file.read(size)
        self.sha256.update(block)
        self._bar.advance(len(block))
        return block
