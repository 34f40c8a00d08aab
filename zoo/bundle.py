"""A bundle on disk: one version of one model. Its layout, opened and verified; `zoo.publish` writes it.

    models/                      a model repository: MODEL/VERSION/, the newest version wins
      .trunks/SHA256.onnx        each distinct trunk once
      flowers/3/
        manifest.json            written last; SHA-256 of every byte of the others
        trunk.onnx               hard link into .trunks/, a copy where links are not possible
        head.onnx
        golden.npz
        report.html

A reader believes only what the manifest's hashes confirm. Hashes prove that the bytes are whole, not
who made them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.errors import BundleBroken
from zoo.files import file_sha256
from zoo.golden import Golden
from zoo.manifest import FileFacts, Manifest
from zoo.names import MODEL_NAME_PATTERN

VERSION_PATTERN: Final = re.compile(r"[1-9][0-9]{0,8}")  # of a version
MAX_MANIFEST_BYTES: Final = 16 << 20  # bytes


@dataclass(frozen=True, slots=True)
class BundleLayout:
    """The paths of one bundle."""

    root: Path

    @property
    def manifest(self) -> Path:
        """What the bundle says of itself."""
        return self.root / "manifest.json"

    @property
    def trunk(self) -> Path:
        """Arrays -> features."""
        return self.root / "trunk.onnx"

    @property
    def head(self) -> Path:
        """Features -> scores."""
        return self.root / "head.onnx"

    @property
    def golden(self) -> Path:
        """Samples with their recorded answers."""
        return self.root / "golden.npz"

    @property
    def tokenizer(self) -> Path:
        """Text -> token ids; where the model takes text."""
        return self.root / "tokenizer.json"

    @property
    def report(self) -> Path:
        """The report for people; it may show the user's own pictures, so it is never served."""
        return self.root / "report.html"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of one model, opened."""

    layout: BundleLayout
    manifest: Manifest

    def read_golden(self) -> Golden:
        """Read the golden samples."""
        return Golden.from_npz(self.layout.golden.read_bytes(), str(self.layout.golden))


def model_names(models: Path) -> list[str]:
    """Return the names of the models in a repository, sorted."""
    return [name for name in model_folder_names(models) if any(versions_newest_first(models, name))]


def model_folder_names(models: Path) -> list[str]:
    """Return what lies in a repository and has the name of a model, sorted; it may have no version."""
    return sorted(name for name in os.listdir(models) if MODEL_NAME_PATTERN.fullmatch(name)) if models.is_dir() else []


def model_versions(models: Path, name: str) -> list[int]:
    """Return the versions of a model, oldest first: folders with a whole number as name and a manifest."""
    return sorted(versions_newest_first(models, name))


def versions_newest_first(models: Path, name: str) -> Iterator[int]:
    """Yield the versions of a model, newest first; a server looks often, and old ones may be many.

    What may not be looked into is no version: one locked folder must not hide all other models.
    """
    folder = os.path.join(models, name)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for number in sorted((int(name) for name in names if VERSION_PATTERN.fullmatch(name)), reverse=True):
        if os.path.isfile(os.path.join(folder, str(number), "manifest.json")):
            yield number


def open_bundle(root: Path) -> Bundle:
    """Open the bundle in folder `root`, every byte of it compared with the manifest.

    Raises:
        BundleBroken: a file is missing, or is not what the manifest says.
        BundleUnsupported: the manifest has a newer protocol.
    """
    layout = BundleLayout(root)
    try:
        if layout.manifest.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleBroken(f"{layout.manifest} is larger than {MAX_MANIFEST_BYTES:,} bytes: no manifest.")
        manifest = Manifest.from_json(layout.manifest.read_bytes(), str(layout.manifest))
        for name, facts in manifest.files.items():
            _verify_file(root, name, facts)
    except OSError as fault:
        raise BundleBroken(f"{root}: {fault.strerror} ({fault.filename}). Publish the model again.") from None
    missing = _required_files(manifest) - manifest.files.keys()
    if missing or manifest.files["trunk.onnx"].sha256 != manifest.trunk_sha256:
        raise BundleBroken(f"{layout.manifest} does not vouch for {', '.join(missing) or 'its trunk'}.")
    return Bundle(layout, manifest)


def _required_files(manifest: Manifest) -> set[str]:
    """Return the files that a bundle of that task and input cannot do without."""
    head = set() if manifest.task == "embed" else {"head.onnx"}
    tokenizer = {"tokenizer.json"} if manifest.input.get("kind") == "text" else set()
    return {"trunk.onnx", "golden.npz"} | head | tokenizer


def _verify_file(root: Path, name: str, facts: FileFacts) -> None:
    if Path(name).name != name:
        raise BundleBroken(f"{root}: the manifest names {name!r}, which is no plain file name.")
    path = root / name
    if path.stat().st_size != facts.bytes or file_sha256(path) != facts.sha256:
        raise BundleBroken(
            f"{path} is not what the manifest says: it was changed or cut after it was published. "
            "Copy the bundle again from where it was made, or publish it again."
        )
