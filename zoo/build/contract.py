"""Whether catalog entries are true: `python -m zoo.build.contract NAME...`, or `--all`.

Each image backbone is built, converted, proven against Keras, cached and loaded as `zoo pull` would, in
a cache of its own and in processes of their own; its verdict is written into docs/zoo/verdicts.json at once.
Weights are the published ones where the cache has them, else random ones (`zoo.build.random_weights`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo import trunk_cache, weights
from zoo.backbone import Backbone, FileSource, Pixels, Precision, RemoteFile, catalog, get
from zoo.build.parity import BATCHES
from zoo.errors import GraftError, TrunkError
from zoo.files import sha256_of, write_whole
from zoo.pictures import crops
from zoo.progress import Silence
from zoo.terminal import Terminal
from zoo.trunk import Trunk

VERDICTS: Final = Path("docs/zoo/verdicts.json")
TWICE: Final = 5_000_000  # up to so many parameters a trunk is built once more, for the same bytes
_ALIVE: Final = 1e-3  # of the largest feature: so far must features of two pictures be apart


def verdict(backbone: Backbone) -> dict[str, Any]:
    """Return what became of an entry: `outcome` "passes" or "fails", and the figures or `why`."""
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="graft-contract-") as scratch:
            found = {"outcome": "passes", **_tried(backbone, Path(scratch))}
    except GraftError as error:
        found = {"outcome": "fails", "why": str(error)}
    tools = {package: version(package) for package in ("keras", "tensorflow", "onnxruntime")}
    return found | {"seconds": round(time.monotonic() - start, 1), "tools": tools}


def _tried(backbone: Backbone, scratch: Path) -> dict[str, Any]:
    published = weights.path_of(backbone)
    if published.is_file():
        shutil.copytree(published.parent, scratch / "one" / "weights" / backbone.name)
        made, real = backbone, {"weights": "published"}
    else:
        made, real = _with_random_weights(backbone, scratch)
        check_facts(backbone, real)
    with _cache(scratch / "one"):
        built = trunk_cache.ensure(made, Precision.FP32, Silence())
        trunk = Trunk.of(made, Precision.FP32)  # from the cache now, whole
    features = trunk({"image": crops(2, trunk.facts["input"]["size"], seed=3)})
    check_alive(features)
    parity = built.facts["parity"]
    return {
        **real,
        "width": features.shape[1],
        "parity": {str(b): off / parity["largest"] for b, off in zip(BATCHES, parity["offs"], strict=True)},
        "megabytes": round(built.facts["bytes"] / 1e6, 1),
        "same_bytes": _same_bytes(made, scratch, built.facts["sha256"]),
    }


def _with_random_weights(backbone: Backbone, scratch: Path) -> tuple[Backbone, dict[str, Any]]:
    """Return the entry with weights of our own making in place of the published, and what its network is."""
    file = scratch / "random.weights.h5"
    maker = [sys.executable, "-P", "-m", "zoo.build.random_weights", backbone.name, str(file)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    ran = subprocess.run(maker, env=os.environ | quiet, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = "\n".join(ran.stderr.strip().splitlines()[-3:]) or f"exit status {ran.returncode}"
        raise TrunkError(f"{backbone.name} cannot be built at all: {said}")
    source = FileSource(files=(RemoteFile(url=file.as_uri(), path=file.name, sha256=sha256_of(file)),))
    made = dataclasses.replace(backbone, source=source)
    for cache in ("one", "two"):
        with _cache(scratch / cache):
            weights.path_of(made).parent.mkdir(parents=True)
            os.link(file, weights.path_of(made))
    return made, {"weights": "random", **json.loads(ran.stdout.splitlines()[-1])}


def check_facts(backbone: Backbone, real: dict[str, Any]) -> None:
    """Raise TrunkError unless width, parameters and input of the network are the declared ones."""
    size = backbone.takes.size if isinstance(backbone.takes, Pixels) else 0
    said = {"params": backbone.params, "width": backbone.width, "input": ["uint8", size, size, 3]}
    wrong = [f"{name} is {real[name]}, declared {said[name]}" for name in said if real[name] != said[name]]
    if wrong:
        raise TrunkError(f"{backbone.name} is not what the catalog says: {'; '.join(wrong)}.")


def check_alive(features: NDArray[np.float32]) -> None:
    """Raise TrunkError unless features of two pictures, [2,d], are finite and apart."""
    apart, largest = float(np.abs(features[0] - features[1]).max()), float(np.abs(features).max())
    if not apart > _ALIVE * largest:  # NaN fails too
        raise TrunkError(f"features of two pictures are apart by {apart:.3g} only, of {largest:.3g}: it sees nothing.")


def _same_bytes(made: Backbone, scratch: Path, sha256: str) -> bool | None:
    """Say whether another build gives the same bytes; None where that takes too long here."""
    if not made.params or made.params > TWICE or not (scratch / "two").is_dir():
        return None
    with _cache(scratch / "two"):
        again = trunk_cache.ensure(made, Precision.FP32, Silence())
    if again.facts["sha256"] != sha256:
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


def triable() -> list[Backbone]:
    """Return the image backbones whose network the catalog alone can build, the smallest first."""
    found = [b for b in catalog() if isinstance(b.takes, Pixels) and b.takes.size and b.params]
    return sorted(found, key=lambda b: b.params or 0)


def record(name: str, found: dict[str, Any], file: Path) -> None:
    """Write one verdict into the file of all, beside what it holds already."""
    known = json.loads(file.read_bytes()) if file.is_file() else {}
    known[name] = found
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())


def main() -> int:
    """Try the entries that are named, and return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m zoo.build.contract", description="Try catalog entries.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true", help="every image backbone, the smallest first")
    parser.add_argument("--into", type=Path, default=VERDICTS, metavar="FILE", help=f"default {VERDICTS}")
    wish = parser.parse_args()
    try:
        wanted = triable() if wish.all else [get(name) for name in wish.names]
    except GraftError as error:
        parser.error(str(error))
    if others := [backbone.name for backbone in wanted if backbone not in triable()]:
        parser.error(f"{', '.join(others)}: only image backbones whose input and parameters are known are tried.")
    if not wanted:
        parser.error("name at least one backbone, or say --all. Example: python -m zoo.build.contract vgg16")
    failed = False
    for number, backbone in enumerate(wanted, 1):
        with Terminal().bar(f"{backbone.name}, {number} of {len(wanted)}", None):
            found = verdict(backbone)
        record(backbone.name, found, wish.into)
        failed |= found["outcome"] == "fails"
        sys.stderr.write(f"{backbone.name}: {found['outcome']} {found.get('parity') or found.get('why')}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
