"""A bundle that is intact by its hashes, and wrong by its answers."""

from __future__ import annotations

import dataclasses
from typing import Any

from graft.bundle.manifest import FileFacts
from graft.bundle.open_bundle import Bundle
from graft.storage.atomic_file import file_sha256


def reverse_golden_scores(bundle: Bundle, **manifest_fields: Any) -> Bundle:
    """Rewrite the golden samples of a published bundle with each row of scores reversed, and the manifest to match.

    `manifest_fields` are further changes of the manifest. `publish` refuses such a bundle, so it is written in place.
    """
    golden, layout = bundle.read_golden(), bundle.layout
    wrong = dataclasses.replace(golden, scores=golden.scores[:, ::-1].copy())
    path = layout.root / "golden.npz"
    path.write_bytes(wrong.to_npz())
    files = {**bundle.manifest.files, path.name: FileFacts(file_sha256(path), path.stat().st_size)}
    manifest = dataclasses.replace(bundle.manifest, files=files, **manifest_fields)
    (layout.root / "manifest.json").write_bytes(manifest.to_json())
    return Bundle(layout, manifest)
