"""Weights packed into one file for a machine without network, with what belongs to them and, if asked, their trunks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from graft.errors import WeightsError
from graft.progress import Progress, ProgressBar
from graft.storage import atomic_folder
from graft.storage.atomic_file import file_sha256, fsync_folder, open_atomic, require_writable
from graft.storage.cache_root import cache_root
from zoo.catalog.backbone import Backbone, Precision, require_buildable
from zoo.manage import plain_tar
from zoo.manage.offline_pack_index import INDEX_FILE, TRUNK_FILES, PackEntry, PackIndex, checksum_file
from zoo.trunks import trunk_cache
from zoo.weights import weights_cache

_CHUNK: Final = 1 << 20


def pack_weights(backbones: Sequence[Backbone], path: Path, progress: Progress, *, trunks: bool) -> PackIndex:
    """Write the weights of `backbones` to `path`, whole or not at all; what is not cached is fetched first.

    With `trunks`, the trunk of each in its default precision is built where it is not there, and every trunk that
    there is of them is packed. The same content makes the same bytes.

    Raises:
        WeightsError: weights could not be had, or the file not be written; Offline, DownloadFailed and HashMismatch
            are such.
        TrunkError: a trunk could not be built.
        MissingExtra: it must be built, and the extra `train` is not installed.
    """
    chosen = sorted(backbones, key=lambda backbone: backbone.name)
    try:
        require_writable(path.absolute().parent)  # gigabytes may be fetched before it is written
    except OSError as fault:
        where = f"{fault.strerror}: {fault.filename}"
        raise WeightsError(f"{path} cannot be written ({where}). Give another place with -o.") from None
    for backbone in chosen if trunks else ():
        require_buildable(backbone)
    for backbone in chosen:
        weights_cache.fetch_weights(backbone, progress)
        if trunks:
            trunk_cache.ensure_trunk(backbone, backbone.precision, progress)
    files = [file for backbone in chosen for file in _iter_pack_files(backbone, trunks)]
    index = PackIndex(tuple(backbone.name for backbone in chosen), tuple(files))
    try:
        total = sum(file.bytes for file in files)
        with atomic_folder.draft_folder(path) as draft, progress.bar(f"packing {path.name}", total, "B") as bar:
            with open_atomic(draft / path.name) as tar:
                _write_tar(tar, index, bar)
            (draft / path.name).chmod(0o644)  # it is to be carried to others
            (draft / path.name).replace(path)
        fsync_folder(path.absolute().parent)
    except plain_tar.PlainTarError as fault:
        raise WeightsError(f"{path} cannot be written: {fault}.") from None
    except OSError as fault:
        raise WeightsError(f"{path} cannot be written ({fault.strerror}). Give another place with -o.") from None
    return index


def _iter_pack_files(backbone: Backbone, trunks: bool) -> Iterator[PackEntry]:
    for part in weights_cache.weights_files(backbone):
        yield PackEntry(_path_in_cache(part.path), part.path.stat().st_size, str(part.expected_sha256))
    built = [trunk_cache.lookup_trunk(backbone, precision) for precision in Precision] if trunks else []
    for found in built:
        if found and found.is_intact():
            for path in (found.folder / name for name in TRUNK_FILES):
                if path.is_file():
                    yield PackEntry(_path_in_cache(path), path.stat().st_size, file_sha256(path))


def _path_in_cache(path: Path) -> str:
    return path.relative_to(cache_root()).as_posix()


def _write_tar(tar: BinaryIO, index: PackIndex, bar: ProgressBar) -> None:
    data = index.to_json()
    for name, content in ((INDEX_FILE, data), (f"{INDEX_FILE}.sha256", checksum_file(data))):
        tar.write(plain_tar.header(name, len(content)) + content + plain_tar.padding(len(content)))
    for file in index.files:
        tar.write(plain_tar.header(file.path, file.bytes))
        digest = hashlib.sha256()
        with (cache_root() / file.path).open("rb") as source:
            while block := source.read(_CHUNK):
                digest.update(block)
                tar.write(block)
                bar.advance(len(block))
        if digest.hexdigest() != file.sha256:
            raise WeightsError(f"{cache_root() / file.path} was changed while it was packed. Try again.")
        tar.write(plain_tar.padding(file.bytes))
    tar.write(plain_tar.end_marker())
