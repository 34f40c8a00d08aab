"""Cache of built trunks: one folder per key, created atomically. Neither Keras nor ONNX Runtime is imported.

    CACHE/trunks/KEY/trunk.onnx
                     trunk.json     its record: SHA-256, signature, parity of ONNX Runtime with Keras

KEY is the SHA-256 of everything that determines the bytes: backbone, weights, precision, input spec, builder version
and, for int8, the calibration set and which layers stay fp32.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from graft.errors import TrunkError
from graft.inputs.image import ImageInput
from graft.progress import Progress
from graft.storage.atomic_file import file_sha256, write_atomic
from graft.storage.atomic_folder import atomic_folder
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from zoo.catalog.backbone import Backbone, ImageSpec, Precision, require_buildable
from zoo.convert.process import child_process
from zoo.convert.process.child_process import TOKENIZER_FILE
from zoo.weights import weights_cache

BUILDER_VERSION: Final = 3  # raise it when zoo.convert makes other bytes from the same weights
CALIBRATION_SET: Final = "sklearn-photo-crops-96"  # images that int8 image trunks are calibrated on
_REQUIRED_FACTS: Final = frozenset(("backbone", "precision", "sha256", "bytes", "signature", "input"))


@dataclass(frozen=True, slots=True)
class CachedTrunk:
    """A trunk in the cache; `facts` is the content of trunk.json."""

    folder: Path
    facts: dict[str, Any]

    @property
    def path(self) -> Path:
        """The path of the ONNX graph."""
        return self.folder / "trunk.onnx"

    def is_intact(self) -> bool:
        """Say whether the graph and the tokenizer have the recorded SHA-256."""
        tokenizer = self.read_tokenizer()
        expected = self.facts["input"].get("tokenizer_sha256")
        if expected and (tokenizer is None or hashlib.sha256(tokenizer).hexdigest() != expected):
            return False
        return self.path.is_file() and file_sha256(self.path) == self.facts["sha256"]

    def read_tokenizer(self) -> bytes | None:
        """Return the bytes of tokenizer.json; None if the trunk takes no text."""
        path = self.folder / TOKENIZER_FILE
        return path.read_bytes() if path.is_file() else None


def ensure_trunk(backbone: Backbone, precision: Precision, progress: Progress) -> CachedTrunk:
    """Return the trunk of `backbone` from the cache; it is built first if it is missing or damaged.

    Raises:
        WeightsError: its weights could not be fetched.
        TrunkError: it could not be built; nothing was cached.
        MissingExtra: it must be built, and the extra `train` is not installed.
    """
    require_buildable(backbone)
    folder = trunks_folder() / trunk_key(backbone, weights_cache.ensure_weights_hash(backbone, progress), precision)
    if cached := _read_intact_trunk(folder):
        with suppress(OSError):  # a read-only cache can be used
            os.utime(folder)  # cache eviction deletes the least recently used first
        return cached
    try:
        with exclusive_lock(folder):
            if cached := _read_intact_trunk(folder):  # built by another process meanwhile
                return cached
            if folder.exists():
                progress.log(f"{folder} is damaged; it is built again.")
            return _build_trunk(folder, backbone, precision, progress)
    except OSError as fault:
        raise TrunkError(
            f"{folder} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None


def lookup_trunk(backbone: Backbone, precision: Precision) -> CachedTrunk | None:
    """Return the trunk of `backbone` if it is cached, else None; nothing is fetched, built or hashed."""
    digest = weights_cache.expected_weights_hash(backbone)
    return None if digest is None else read_trunk(trunks_folder() / trunk_key(backbone, digest, precision))


def iter_cached_trunks() -> Iterator[CachedTrunk]:
    """Yield every trunk in the cache, in the order of their keys."""
    for folder in sorted(trunks_folder().glob("*/")):
        if not folder.name.startswith(".") and (cached := read_trunk(folder)):
            yield cached


def trunks_folder() -> Path:
    """Return the folder that holds all cached trunks."""
    return cache_root() / "trunks"


def trunk_key(backbone: Backbone, weights_sha256: str, precision: Precision) -> str:
    """Return the cache key of a trunk, which is the name of its folder."""
    facts = _key_facts(backbone, weights_sha256, precision)
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _key_facts(backbone: Backbone, weights_sha256: str, precision: Precision) -> dict[str, Any]:
    facts = {
        "backbone": backbone.name,
        "weights_sha256": weights_sha256,
        "precision": str(precision),
        "input": input_facts(backbone),
        "builder": BUILDER_VERSION,
    }
    if precision == Precision.INT8 and isinstance(backbone.takes, ImageSpec):
        facts |= {"calibration": CALIBRATION_SET, "float_convs": backbone.float_convs}
    return facts


def input_facts(backbone: Backbone) -> dict[str, Any]:
    """Return the facts that determine the input arrays: the spec of images, or the text spec of a tokenizer."""
    if isinstance(backbone.takes, ImageSpec):
        size = backbone.takes.size
        return {"kind": "image", "preset": "its own"} if size is None else ImageInput(size).spec()
    return {"kind": "text", "texts": 1, **asdict(backbone.takes)}


def read_trunk(folder: Path) -> CachedTrunk | None:
    """Return the trunk in `folder`; None if it has no valid record. Nothing is hashed."""
    try:
        facts = json.loads((folder / "trunk.json").read_bytes())
    except (OSError, ValueError):
        return None
    return CachedTrunk(folder, facts) if isinstance(facts, dict) and facts.keys() >= _REQUIRED_FACTS else None


def _read_intact_trunk(folder: Path) -> CachedTrunk | None:
    cached = read_trunk(folder)
    return cached if cached and cached.is_intact() else None


def _build_trunk(folder: Path, backbone: Backbone, precision: Precision, progress: Progress) -> CachedTrunk:
    """Build into a hidden sibling folder, then rename that to `folder`. The caller holds its lock."""
    child_process.require_build_packages(backbone, precision)
    fp32 = ensure_trunk(backbone, Precision.FP32, progress) if precision == Precision.INT8 else None
    source = fp32.path if fp32 else weights_cache.fetch_weights(backbone, progress)
    with atomic_folder(folder, replace=True) as draft:  # only a damaged one is ever replaced
        with progress.bar(f"building {backbone.name} in {precision}, once per machine (about 15 s)", None):
            report = child_process.build_trunk_in_child(backbone, precision, source, draft)
        facts = _key_facts(backbone, weights_cache.ensure_weights_hash(backbone, progress), precision) | {
            "sha256": file_sha256(draft / "trunk.onnx"),
            "bytes": (draft / "trunk.onnx").stat().st_size,
            **report,
        }
        if fp32:
            facts |= {key: fp32.facts[key] for key in ("input", "signature")}
            if tokenizer := fp32.read_tokenizer():
                write_atomic(draft / TOKENIZER_FILE, tokenizer)
        write_atomic(draft / "trunk.json", (json.dumps(facts, indent=2) + "\n").encode())
    return CachedTrunk(folder, json.loads(json.dumps(facts)))


def fill_from_trunk(backbone: Backbone, facts: Mapping[str, Any]) -> Backbone:
    """Return `backbone` with its unknown size, width and parameters from `facts`, the record of its built trunk."""
    takes, width = backbone.takes, int(facts["signature"]["outputs"][0]["shape"][-1])
    if isinstance(takes, ImageSpec) and takes.size is None:
        takes = dataclasses.replace(takes, size=int(facts["input"]["size"]))
    params = facts.get("params") if backbone.params is None else backbone.params
    return dataclasses.replace(backbone, takes=takes, width=width, params=params)
