from __future__ import annotations

from graft.errors import HashMismatch
from zoo.catalog.backbone import Backbone
from zoo.weights import lockfile, weights_cache
from zoo.weights.checksums import source_urls
from zoo.weights.hash_record import recorded_url
from zoo.weights.lockfile import LockEntry


def record_in_lockfile(backbone: Backbone) -> None:
    """Put what was fetched for a backbone into the lock file, where there is one: each file under its own name.

    Raises:
        HashMismatch: a file is damaged, or the lock file says otherwise.
        WeightsError: it cannot be read or written.
    """
    if (lock := lockfile.find_lockfile()) is None:
        return
    files = {}
    for (file, origin), part in zip(source_urls(backbone).items(), weights_cache.weights_files(backbone), strict=True):
        if not part.is_intact():
            raise HashMismatch(f"{part.path} is damaged. Fetch it again: zoo pull {backbone.name}")
        files[file] = LockEntry(str(part.expected_sha256), part.path.stat().st_size, origin)
    for part in weights_cache.extra_weights_files(backbone):
        if not part.is_intact():
            raise HashMismatch(f"{part.path} is damaged, or not what {lock} says. Delete it.")
        files[part.path.name] = LockEntry(str(part.expected_sha256), part.path.stat().st_size, recorded_url(part.path))
    lockfile.add_entries(lock, backbone.name, files)
