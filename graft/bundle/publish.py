"""Publish a bundle: replayed first, then written atomically; earlier versions are never touched.

The steps: write a hidden draft folder, reopen it and replay its golden samples, write the manifest last, fsync files
and folder, rename the folder once, fsync its parent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from graft.bundle.golden import Golden
from graft.bundle.manifest import FileFacts, Manifest
from graft.bundle.open_bundle import Bundle, BundleLayout
from graft.bundle.replay import replay_files
from graft.bundle.repository import VERSION_PATTERN, validate_model_name
from graft.errors import PublishFailed, TrunkError
from graft.storage.atomic_file import file_sha256, open_atomic
from graft.storage.atomic_folder import draft_folder, rename_draft

_STALE_SECONDS: Final = 24 * 3600  # age from which a draft or an unlinked trunk is a leftover


def publish(
    models: Path, manifest: Manifest, *, trunk: Path, head: bytes | None, golden: Golden, extras: Mapping[str, bytes]
) -> Bundle:
    """Publish a bundle as the next version of `manifest.name`: replayed first, and written atomically.

    Before the version's folder gets its name, the files are opened again as a server opens them, and the golden
    samples are replayed: nothing that answers otherwise than during training is ever published. Two publishers of one
    name get two versions.

    Args:
        models: the model repository.
        manifest: without `version`, `created` and `files`, which are set here.
        trunk: the ONNX file to link into the bundle; its SHA-256 is `manifest.trunk_sha256`.
        head: the bytes of head.onnx; None for the task "embed".
        golden: the samples to replay, with the features and scores on record.
        extras: further files by name, such as tokenizer.json and report.html.

    Raises:
        ReplayFailed: the files do not repeat the recorded answers.
        TrunkError: the trunk's file does not have the SHA-256 of the manifest.
        PublishFailed: the bundle could not be written. In each of these cases what was there before is unchanged.
        RecipeError: the name is not allowed.
    """
    folder = models / validate_model_name(manifest.name)
    new_folders = [path for path in (folder, models) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _delete_leftovers(models, folder)
        with draft_folder(folder) as draft:
            files = {} if head is None else {"head.onnx": head}
            for name, data in {**files, "golden.npz": golden.to_npz(), **extras}.items():
                (draft / name).write_bytes(data)
            _require_trunk_checksum(trunk, manifest.trunk_sha256)
            replay_files(BundleLayout(draft), manifest, trunk)
            _link_or_copy(_store_trunk(models, trunk, manifest.trunk_sha256), draft / "trunk.onnx")
            return _rename_to_next_version(draft, manifest)
    except OSError as fault:
        raise PublishFailed(
            f"{folder} could not be written ({fault.strerror}); earlier versions are untouched. "
            "Free some space or choose another folder with --models."
        ) from None
    finally:
        _remove_empty(new_folders)


def _require_trunk_checksum(trunk: Path, sha256: str) -> None:
    if file_sha256(trunk) != sha256:
        raise TrunkError(f"{trunk} changed while it was used. Run the same command again to build it anew.")


def _remove_empty(folders: Sequence[Path]) -> None:
    """Delete those folders that are empty, in their order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _rename_to_next_version(draft: Path, manifest: Manifest) -> Bundle:
    """Write the manifest into `draft`, and rename it to the next free version number."""
    files = {p.name: FileFacts(file_sha256(p), p.stat().st_size) for p in sorted(draft.iterdir())}
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    while True:
        # Every folder with a number counts, also a partly copied one: no number is used twice.
        version = max((int(p.name) for p in draft.parent.iterdir() if VERSION_PATTERN.fullmatch(p.name)), default=0) + 1
        final = draft.parent / str(version)
        final_manifest = dataclasses.replace(manifest, version=version, created=created, files=files)
        (draft / "manifest.json").write_bytes(final_manifest.to_json())
        try:
            rename_draft(draft, final)
        except FileExistsError:
            continue  # another publisher was first
        return Bundle(BundleLayout(final), final_manifest)


def _delete_leftovers(models: Path, folder: Path) -> None:
    """Delete old drafts that have no lock file, and old trunks that no bundle links to."""
    drafts = folder.glob(".draft-*")
    unlinked = (path for path in (models / ".trunks").glob("*.onnx") if path.stat().st_nlink == 1)
    for old in (*drafts, *unlinked):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(old) if old.is_dir() else old.unlink()


def _store_trunk(models: Path, trunk: Path, sha256: str) -> Path:
    """Return the repository's own copy of a trunk, created if it has none."""
    repository_copy = models / ".trunks" / f"{sha256}.onnx"
    if not repository_copy.is_file() or file_sha256(repository_copy) != sha256:
        with open_atomic(repository_copy) as file, trunk.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
        repository_copy.chmod(0o644)
    os.utime(repository_copy)  # so that no other publisher deletes it as old before it is linked
    return repository_copy


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
