"""Built trunks on disk: one folder per key, whole or not there. Light: imports neither Keras nor ONNX Runtime.

    CACHE/trunks/KEY/trunk.onnx
                     trunk.json     what it is, its SHA-256, how far ONNX Runtime is from Keras

KEY is the SHA-256 of everything that decides the bytes: backbone, weights, precision, input spec,
builder version and, for int8, what it was calibrated on and which layers stay fp32.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from zoo import weights
from zoo.backbone import Backbone, Pixels, Precision
from zoo.build import child
from zoo.errors import TrunkError
from zoo.files import cache_root, locked, sha256_of, sync_folder, write_whole
from zoo.image import ImageInput
from zoo.possible import check_possible
from zoo.progress import Progress

BUILDER: Final = 3  # raised whenever zoo.build makes other bytes from the same weights
CALIBRATION: Final = "sklearn-photo-crops-96"  # what int8 trunks are calibrated on
TOKENIZER: Final = "tokenizer.json"
_FACTS: Final = {"backbone", "precision", "sha256", "bytes", "signature", "input"}  # a record without them is none


@dataclass(frozen=True, slots=True)
class CachedTrunk:
    """A trunk in the cache; `facts` is what trunk.json says."""

    folder: Path
    facts: dict[str, Any]

    @property
    def path(self) -> Path:
        """The graph."""
        return self.folder / "trunk.onnx"

    def is_whole(self) -> bool:
        """Say whether the graph's bytes are the recorded ones, and the tokenizer's."""
        tokenizer = self.tokenizer()
        promised = self.facts["input"].get("tokenizer_sha256")
        if promised and (tokenizer is None or hashlib.sha256(tokenizer).hexdigest() != promised):
            return False
        return self.path.is_file() and sha256_of(self.path) == self.facts["sha256"]

    def tokenizer(self) -> bytes | None:
        """Return the bytes of tokenizer.json; None where the trunk takes no text."""
        path = self.folder / TOKENIZER
        return path.read_bytes() if path.is_file() else None


def ensure(backbone: Backbone, precision: Precision, progress: Progress) -> CachedTrunk:
    """Return the trunk of `backbone` from the cache, built first where it is not there or is damaged.

    Raises:
        WeightsError: its weights could not be had.
        TrunkError: it could not be built, or never can be; nothing was cached.
        MissingExtra: it must be built, and the extra `train` is not installed.
    """
    check_possible(backbone)
    folder = trunks() / key(backbone, weights.ensure_hash(backbone, progress), precision)
    if found := _whole(folder):
        with suppress(OSError):  # a cache that cannot be written can be used
            os.utime(folder)  # what was used last is what `zoo cache` deletes last
        return found
    try:
        with locked(folder):
            if found := _whole(folder):
                return found
            if folder.exists():
                progress.say(f"{folder} is damaged; it is built again.")
            return _built(folder, backbone, precision, progress)
    except OSError as fault:
        raise TrunkError(
            f"{folder} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None


def lookup(backbone: Backbone, precision: Precision) -> CachedTrunk | None:
    """Return the trunk of `backbone` if the cache has one; nothing is fetched, built or hashed."""
    digest = weights.known_hash(backbone)
    return None if digest is None else read(trunks() / key(backbone, digest, precision))


def cached() -> Iterator[CachedTrunk]:
    """Go through every trunk in the cache, in the order of their keys."""
    for folder in sorted(trunks().glob("*/")):
        if not folder.name.startswith(".") and (found := read(folder)):
            yield found


def trunks() -> Path:
    """Return the folder of all trunks."""
    return cache_root() / "trunks"


def key(backbone: Backbone, weights_sha256: str, precision: Precision) -> str:
    """Return the name of a trunk's folder."""
    facts = _identity(backbone, weights_sha256, precision)
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _identity(backbone: Backbone, weights_sha256: str, precision: Precision) -> dict[str, Any]:
    facts = {
        "backbone": backbone.name,
        "weights_sha256": weights_sha256,
        "precision": str(precision),
        "input": input_facts(backbone),
        "builder": BUILDER,
    }
    if precision == Precision.INT8 and isinstance(backbone.takes, Pixels):
        facts |= {"calibration": CALIBRATION, "float_convs": backbone.float_convs}
    return facts


def input_facts(backbone: Backbone) -> dict[str, Any]:
    """Return what decides the input: an image's spec, if it is known; what a text's tokenizer is made of."""
    if isinstance(backbone.takes, Pixels):
        size = backbone.takes.size
        return {"kind": "image", "preset": "its own"} if size is None else ImageInput(size).spec()
    return {"kind": "text", "texts": 1, **asdict(backbone.takes)}


def read(folder: Path) -> CachedTrunk | None:
    """Return the trunk in `folder`; None where there is no record of one. Nothing is hashed."""
    try:
        facts = json.loads((folder / "trunk.json").read_bytes())
    except (OSError, ValueError):
        return None
    return CachedTrunk(folder, facts) if isinstance(facts, dict) and facts.keys() >= _FACTS else None


def _whole(folder: Path) -> CachedTrunk | None:
    found = read(folder)
    return found if found and found.is_whole() else None


def _built(folder: Path, backbone: Backbone, precision: Precision, progress: Progress) -> CachedTrunk:
    """Build into a hidden sibling, then give it its name."""
    child.check_installed(backbone, precision)
    fp32 = ensure(backbone, Precision.FP32, progress) if precision == Precision.INT8 else None
    source = fp32.path if fp32 else weights.fetch(backbone, progress)
    draft = folder.with_name(f".draft-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed; the lock is ours
    draft.mkdir()
    try:
        with progress.bar(f"building {backbone.name} in {precision}, once per machine (about 15 s)", None):
            report = child.build(backbone, precision, source, draft)
        facts = _identity(backbone, weights.ensure_hash(backbone, progress), precision) | {
            "sha256": sha256_of(draft / "trunk.onnx"),
            "bytes": (draft / "trunk.onnx").stat().st_size,
            **report,
        }
        if fp32:
            facts |= {key: fp32.facts[key] for key in ("input", "signature")}
            if tokenizer := fp32.tokenizer():
                write_whole(draft / TOKENIZER, tokenizer)
        write_whole(draft / "trunk.json", (json.dumps(facts, indent=2) + "\n").encode())
        shutil.rmtree(folder, ignore_errors=True)  # only ever a damaged one
        draft.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return CachedTrunk(folder, json.loads(json.dumps(facts)))
