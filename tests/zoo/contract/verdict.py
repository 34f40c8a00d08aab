"""What becomes of an entry of the catalog that is tried as `zoo pull` would do it, in a cache of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from graft.errors import GraftError, TrunkError
from graft.inputs.text_bytes import encode_text_sample
from graft.progress import SilentProgress
from graft.storage.atomic_file import file_sha256
from graft.types import Float32Array
from tests.zoo.contract.checks import check_alive, check_facts, check_same
from tests.zoo.contract.stand_in import SEED, Network, stand_in_of
from zoo.catalog.backbone import Backbone, FileSource, Precision, RemoteFile, WheelSource, unsupported_reason
from zoo.catalog.find import all_backbones
from zoo.convert.int8_image import centred_cosine
from zoo.convert.parity import PARITY_BATCH_SIZES
from zoo.convert.process.child_process import QUIET
from zoo.sample_inputs import SAMPLE_SENTENCES, random_photo_crops
from zoo.trunks import trunk_cache
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

TWICE: Final = 5_000_000  # up to so many parameters a trunk is built once more, for the same bytes


def groups() -> dict[str, list[Backbone]]:
    """Return what is tried: by the name of the first, entries whose stand-ins are the same; the smallest first."""
    found: dict[str, list[Backbone]] = {}
    names: dict[str, str] = {}
    for entry in sorted(all_backbones(), key=lambda entry: entry.params or entry.ships or 0):
        if not unsupported_reason(entry):
            found.setdefault(names.setdefault(_likeness(entry), entry.name), []).append(entry)
    return found


def verdict(entry: Backbone) -> dict[str, Any]:
    """Return what became of an entry: `outcome` "passes" or "fails", and the figures or `why`."""
    start = time.monotonic()
    try:
        with TemporaryDirectory(prefix="graft-contract-") as scratch:
            found = {"outcome": "passes", **_tried(entry, Path(scratch))}
    except GraftError as error:
        found = {"outcome": "fails", "why": str(error)}
    tools = {package: version(package) for package in ("keras", "keras-hub", "tensorflow", "onnxruntime")}
    return found | {"seconds": round(time.monotonic() - start, 1), "tools": tools}


def _likeness(entry: Backbone) -> str:
    """Return what decides the verdict of a preset; of every other entry its name."""
    if not is_preset(entry):
        return entry.name
    made, words = stand_in_of(entry), [file.path for file in _files(entry)]
    return repr((made.family, made.network, sorted(made.layers.items()), entry.takes, words))


def is_preset(entry: Backbone) -> bool:
    """Say whether the files of an entry are a preset's: its layers are told by them."""
    return entry.builder.split(":")[1] == "preset"


def _files(entry: Backbone) -> tuple[RemoteFile, ...]:
    assert isinstance(entry.source, FileSource)
    return entry.source.files


def _tried(entry: Backbone, scratch: Path) -> dict[str, Any]:
    published = isinstance(entry.source, WheelSource) or weights_cache.weights_path(entry).is_file()
    made, facts = _published(entry, scratch) if published else _stand_in(entry, scratch)
    with _cache(scratch / "one"):
        built = trunk_cache.ensure_trunk(made, Precision.FP32, SilentProgress())
        trunk = Trunk.from_backbone(made, Precision.FP32)  # from the cache now, whole
        features = _features(trunk)
        cosine = _cosine(made, features) if published else None
    check_facts(entry, facts, built.facts)
    check_alive(features)
    theirs = scratch / "stand-in" / "theirs.npy"
    if theirs.is_file():
        check_same(features[:2], np.load(theirs))
    parity = built.facts["parity"]
    facts["params"] = facts.get("params") or built.facts["params"]
    return {
        "weights": "published" if published else "random",
        **facts,
        "width": features.shape[1],
        "input": built.facts["input"].get("size") or built.facts["input"]["max_tokens"],
        "parity": {str(b): off / parity["largest"] for b, off in zip(PARITY_BATCH_SIZES, parity["offs"], strict=True)},
        "int8": cosine,
        "megabytes": round(built.facts["bytes"] / 1e6, 1),
        "same_bytes": _same_bytes(made, scratch, built.facts),
    }


def _published(entry: Backbone, scratch: Path) -> tuple[Backbone, dict[str, Any]]:
    """Copy the published weights into the cache of this trial."""
    weights_cache.fetch_weights(entry)
    shutil.copytree(weights_cache.weights_folder(entry), scratch / "one" / "weights" / entry.name)
    return entry, {"network": Network.WHOLE}


def _stand_in(entry: Backbone, scratch: Path) -> tuple[Backbone, dict[str, Any]]:
    """Put files with random weights into the cache, and return the entry with those in place of the published."""
    folder = scratch / "stand-in"
    folder.mkdir()
    files = _files(entry)
    if is_preset(entry):
        said = _ran(entry, "tests.zoo.contract.stand_in", entry.name, str(folder))
        facts = json.loads(said.splitlines()[-1])
    else:
        files = (dataclasses.replace(files[0], path="random.weights.h5"),)
        _ran(entry, "zoo.convert.networks.random_weights", entry.name, str(folder / files[0].path))
        facts = {"network": Network.WHOLE}
    pinned = [
        RemoteFile(url=(folder / file.path).as_uri(), path=file.path, sha256=file_sha256(folder / file.path))
        for file in files
    ]
    made = dataclasses.replace(entry, source=FileSource(files=tuple(pinned)))
    for cache in ("one", "two"):
        with _cache(scratch / cache):
            for file in files:
                path = weights_cache.weights_folder(made) / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(folder / file.path, path)
    return made, facts


def _ran(entry: Backbone, module: str, *words: str) -> str:
    """Return what a module says in a process of its own, whose memory is free afterwards."""
    command = [sys.executable, "-W", "ignore", "-m", module, *words]
    ran = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = "\n".join(ran.stderr.strip().splitlines()[-3:]) or f"exit status {ran.returncode}"
        raise TrunkError(f"{entry.name} cannot be built at all: {said}")
    return ran.stdout


def _features(trunk: Trunk) -> Float32Array:
    """Return features of real pictures, or of sentences: float32 [n,d]."""
    if "size" in trunk.facts["input"]:
        pictures = random_photo_crops(16, trunk.facts["input"]["size"], SEED)
        return np.concatenate([trunk({"image": picture[None]}) for picture in pictures])
    return np.concatenate(
        [trunk(trunk.inputs.batch([trunk.inputs(encode_text_sample(text))])) for text in SAMPLE_SENTENCES]
    )


def _cosine(made: Backbone, fp32: Float32Array) -> float:
    """Return the mean cosine, centred, between the features of both precisions."""
    return round(float(centred_cosine(fp32, _features(Trunk.from_backbone(made, Precision.INT8))).mean()), 4)


def _same_bytes(made: Backbone, scratch: Path, built: dict[str, Any]) -> bool | None:
    """Say whether another build gives the same bytes; None where that takes too long here."""
    if built["params"] > TWICE or not (scratch / "two").is_dir():
        return None
    with _cache(scratch / "two"):
        again = trunk_cache.ensure_trunk(made, Precision.FP32, SilentProgress())
    if again.facts["sha256"] != built["sha256"]:
        raise TrunkError(f"two builds of {made.name} from the same weights give other bytes.")
    return True


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Let `folder` be the cache for a while."""
    before = os.environ.get("GRAFT_CACHE")
    os.environ["GRAFT_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["GRAFT_CACHE"]
        else:
            os.environ["GRAFT_CACHE"] = before
