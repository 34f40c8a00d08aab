"""Write a bundle: whole or not at all, and what was there before is never touched.

A hidden sibling folder, write, fsync files, manifest last, fsync folder, one rename, fsync parent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from graft.bundle.golden import Golden
from graft.bundle.manifest import FileFacts, Manifest
from graft.bundle.open_bundle import Bundle, BundleLayout
from graft.bundle.repository import VERSION_PATTERN, validate_model_name
from graft.errors import PublishFailed
from graft.storage.atomic_file import file_sha256, fsync_folder, open_atomic, require_writable

_DRAFT_PREFIX: Final = ".draft-"
_STALE_SECONDS: Final = 24 * 3600  # seconds after which nobody is at work on a draft or a trunk any more


def publish(
    models: Path, manifest: Manifest, *, trunk: Path, head: bytes | None, golden: Golden, extras: Mapping[str, bytes]
) -> Bundle:
    """Publish a bundle as the next version of `manifest.name`, whole or not at all.

    `trunk` is the file to link in, `head` is None for the task "embed", `extras` maps further file
    names to their bytes. Two publishers of one name get two versions.

    Raises:
        PublishFailed: it could not be written; what was there before is unchanged.
        RecipeError: the name is not allowed.
    """
    folder = models / validate_model_name(manifest.name)
    is_new_model = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _delete_leftovers(models, folder)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT_PREFIX, dir=folder))
        draft.chmod(0o755)
        try:
            _link_or_copy(_store_trunk(models, trunk, manifest.trunk_sha256), draft / "trunk.onnx")
            heads = {} if head is None else {"head.onnx": head}
            for name, data in {**heads, "golden.npz": golden.to_npz(), **extras}.items():
                _write_synced(draft / name, data)
            return _rename_to_next_version(draft, manifest)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as fault:
        if is_new_model:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise PublishFailed(
            f"{folder} could not be written ({fault.strerror}); earlier versions are untouched. "
            "Free some space or choose another folder with --models."
        ) from None


def require_writable_repository(models: Path) -> None:
    """Check that files can be written under `models`, and leave nothing behind: minutes of work may come before.

    Raises:
        PublishFailed: they cannot.
    """
    try:
        require_writable(models)
    except OSError as fault:
        raise PublishFailed(
            f"the models folder {models} cannot be written ({fault.strerror}: {fault.filename}). "
            "Choose another one with --models, or change its permissions. Nothing was done."
        ) from None


def _rename_to_next_version(draft: Path, manifest: Manifest) -> Bundle:
    """Write the manifest into `draft` and rename it to the first version that is free."""
    files = {p.name: FileFacts(file_sha256(p), p.stat().st_size) for p in sorted(draft.iterdir())}
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    while True:
        # Whatever has a number counts, a half-copied folder too: no number is given twice.
        version = max((int(p.name) for p in draft.parent.iterdir() if VERSION_PATTERN.fullmatch(p.name)), default=0) + 1
        final = draft.parent / str(version)
        final_manifest = dataclasses.replace(manifest, version=version, created=created, files=files)
        _write_synced(draft / "manifest.json", final_manifest.to_json())
        fsync_folder(draft)
        try:
            draft.rename(final)
        except OSError as fault:
            if fault.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES) and final.exists():
                continue  # another publisher was first
            raise
        fsync_folder(final.parent)
        return Bundle(BundleLayout(final), final_manifest)


def _delete_leftovers(models: Path, folder: Path) -> None:
    """Delete the drafts that killed processes left behind, and stored trunks that no bundle links to."""
    drafts = folder.glob(f"{_DRAFT_PREFIX}*")
    unlinked = (path for path in (models / ".trunks").glob("*.onnx") if path.stat().st_nlink == 1)
    for old in (*drafts, *unlinked):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(old) if old.is_dir() else old.unlink()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _store_trunk(models: Path, trunk: Path, sha256: str) -> Path:
    """Return the repository's own copy of a trunk, made now if it has none."""
    repository_copy = models / ".trunks" / f"{sha256}.onnx"
    if not repository_copy.is_file() or file_sha256(repository_copy) != sha256:
        with open_atomic(repository_copy) as file, trunk.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
        repository_copy.chmod(0o644)
    os.utime(repository_copy)  # young again: another publisher must not sweep it before it is linked
    return repository_copy


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
