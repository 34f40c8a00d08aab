"""Open a bundle, one version of one model on disk, and verify the checksum of every file.

    models/                      a model repository: MODEL/VERSION/, the newest version wins
      .trunks/SHA256.onnx        each distinct trunk once
      flowers/3/
        manifest.json            written last; size and SHA-256 of every other file
        trunk.onnx               hard link into .trunks/, a copy where links are not possible
        head.onnx
        golden.npz
        report.html

A reader trusts only files whose SHA-256 stands in the manifest. Checksums prove integrity, not origin.
`graft.bundle.publish` writes bundles.
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
    """The paths of the files of a bundle."""

    root: Path

    @property
    def manifest(self) -> Path:
        """Description and checksums."""
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
        """Golden samples with their recorded answers."""
        return self.root / "golden.npz"

    @property
    def tokenizer(self) -> Path:
        """Text -> token ids; only of text models."""
        return self.root / "tokenizer.json"

    @property
    def report(self) -> Path:
        """The HTML report; it may show the user's own samples, so it is never served."""
        return self.root / "report.html"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An open bundle: its paths and its manifest."""

    layout: BundleLayout
    manifest: Manifest

    def read_golden(self) -> Golden:
        """Read the golden samples."""
        return Golden.from_npz(self.layout.golden.read_bytes(), str(self.layout.golden))


def open_bundle(root: Path) -> Bundle:
    """Open the bundle in folder `root`, and verify the size and SHA-256 of every file.

    Raises:
        BundleBroken: a file is missing, or does not match the manifest.
        BundleUnsupported: the manifest has a newer protocol.
    """
    layout = BundleLayout(root)
    try:
        if layout.manifest.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleBroken(
                f"{layout.manifest} is larger than {MAX_MANIFEST_BYTES:,} bytes, the limit of a manifest."
            )
        manifest = Manifest.from_json(layout.manifest.read_bytes(), str(layout.manifest))
        for name, facts in manifest.files.items():
            _verify_file(root, name, facts)
    except OSError as fault:
        raise BundleBroken(f"{root}: {fault.strerror} ({fault.filename}). Publish the model again.") from None
    missing = _required_files(manifest) - manifest.files.keys()
    if missing or manifest.files["trunk.onnx"].sha256 != manifest.trunk_sha256:
        raise BundleBroken(
            f"{layout.manifest} has no matching SHA-256 for {', '.join(sorted(missing)) or 'trunk.onnx'}. "
            "Publish the model again."
        )
    return Bundle(layout, manifest)


def resolve_bundle(model: Path) -> Bundle:
    """Open the bundle in the folder `model`, MODELS/NAME/VERSION; of MODELS/NAME its newest version.

    Raises:
        UnknownModel: there is no such folder, or no version in it.
        UnknownVersion: the model has no such version.
        BundleBroken: a file does not match the manifest.
        BundleUnsupported: the manifest has a newer protocol.
    """
    if BundleLayout(model).manifest.is_file():
        return open_bundle(model)
    name, parent = model.absolute().name, model.absolute().parent
    if numbers := model_versions(parent, name):
        return open_bundle(model / str(numbers[-1]))
    if model_version_numbers := model_versions(parent.parent, parent.name):
        raise UnknownVersion(f"{parent} has no version {name}; it has {', '.join(map(str, model_version_numbers))}.")
    raise UnknownModel(
        f"{model} is not a published model: a folder models/NAME or models/NAME/VERSION with a manifest.json. "
        "`finetune`, `zoo publish` and `zoo import` publish models."
    )


def _required_files(manifest: Manifest) -> set[str]:
    """Return the names of the files that a bundle of that task and input must have."""
    head = set() if manifest.task == "embed" else {"head.onnx"}
    tokenizer = {"tokenizer.json"} if manifest.sample_kind != "image" else set()
    return {"trunk.onnx", "golden.npz"} | head | tokenizer


def _verify_file(root: Path, name: str, facts: FileFacts) -> None:
    if Path(name).name != name:
        raise BundleBroken(f"{root}: the manifest names {name!r}, which is not a plain file name.")
    path = root / name
    if path.stat().st_size != facts.bytes or file_sha256(path) != facts.sha256:
        raise BundleBroken(
            f"{path} does not match the manifest: it was changed or truncated after it was published. "
            "Copy the bundle again from its origin, or publish it again."
        )
