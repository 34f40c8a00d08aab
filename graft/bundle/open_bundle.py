"""A bundle on disk: one version of one model. Its layout, opened and verified; `graft.bundle.publish` writes it.

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

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graft.bundle.golden import Golden
from graft.bundle.manifest import FileFacts, Manifest
from graft.bundle.repository import model_versions
from graft.errors import BundleBroken, UnknownModel, UnknownVersion
from graft.storage.atomic_file import file_sha256

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


def resolve_bundle(model: Path) -> Bundle:
    """Open the bundle in folder `model`, or the newest version below it.

    Raises:
        UnknownModel: there is no such folder, or nothing was ever published into it.
        UnknownVersion: it is a model, but not of that version.
        BundleBroken: a file is not what the manifest says.
    """
    if BundleLayout(model).manifest.is_file():
        return open_bundle(model)
    name, parent = model.absolute().name, model.absolute().parent
    if numbers := model_versions(parent, name):
        return open_bundle(model / str(numbers[-1]))
    if model_version_numbers := model_versions(parent.parent, parent.name):
        raise UnknownVersion(f"{parent} has no version {name}; it has {', '.join(map(str, model_version_numbers))}.")
    raise UnknownModel(
        f"{model} is no published model: a folder models/NAME or models/NAME/VERSION with a manifest.json is meant. "
        "`finetune`, `zoo publish` and `zoo import` make one."
    )


def _required_files(manifest: Manifest) -> set[str]:
    """Return the files that a bundle of that task and input cannot do without."""
    head = set() if manifest.task == "embed" else {"head.onnx"}
    tokenizer = {"tokenizer.json"} if manifest.sample_kind != "image" else set()
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
