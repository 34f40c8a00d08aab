"""Choose the trunks that a benchmark measures: those in the cache, fp32 and int8, or both with random weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.errors import GraftError, TrunkError
from graft.progress import Progress
from graft.storage.atomic_file import file_sha256
from zoo.catalog.backbone import Backbone, ImageSpec, Precision, Scaling
from zoo.convert.process import child_process
from zoo.trunks import trunk_cache

RANDOM_WEIGHTS: Final = "random weights"


@dataclass(frozen=True, slots=True)
class BenchCandidate:
    """A trunk on disk that can be measured, in a folder laid out as in `zoo.trunks.trunk_cache`."""

    precision: Precision
    folder: Path
    bytes: int
    build_seconds: float | None


def default_candidates(backbone: Backbone, progress: Progress) -> tuple[BenchCandidate, ...]:
    """Return the cached trunks of `backbone`; without any, build the default precision, as `zoo pull` does, and fp32.

    Raises:
        WeightsError, TrunkError, MissingExtra: as `trunk_cache.ensure_trunk`.
    """
    cached = tuple(precision for precision in Precision if trunk_cache.lookup_trunk(backbone, precision))
    chosen = cached or tuple(dict.fromkeys((Precision.FP32, backbone.precision)))
    return tuple(_make_candidate(trunk_cache.ensure_trunk(backbone, precision, progress)) for precision in chosen)


def fp32_and_int8_candidates(backbone: Backbone, progress: Progress) -> tuple[BenchCandidate, ...]:
    """Return the trunks of `backbone` in fp32 and int8; build those that are not cached.

    If the int8 trunk cannot be built, that is logged and only fp32 is returned.

    Raises:
        WeightsError, TrunkError, MissingExtra: the fp32 trunk could not be built.
    """
    fp32 = _make_candidate(trunk_cache.ensure_trunk(backbone, Precision.FP32, progress))
    try:
        return fp32, _make_candidate(trunk_cache.ensure_trunk(backbone, Precision.INT8, progress))
    except GraftError as fault:
        progress.log(f"note: only fp32 is measured. {fault}")
        return (fp32,)


@contextmanager
def random_weight_candidates(backbone: Backbone, progress: Progress) -> Iterator[tuple[BenchCandidate, ...]]:
    """Build both trunks of `backbone` with random weights in a temporary folder, which is removed at the end.

    They are as fast as the pretrained ones, but their features are meaningless, so they never enter the cache.

    Raises:
        TrunkError: text backbones and presets cannot be built so: only their weight files define the layers.
        MissingExtra: a package that builds trunks is not installed.
    """
    if not isinstance(backbone.takes, ImageSpec) or backbone.takes.scaling is Scaling.PRESET:
        raise TrunkError(
            f"{backbone.name} cannot be built with random weights: its layers are defined in files that come with its "
            "pretrained weights. --random works for the networks of keras.applications and EfficientNet-Lite. "
            f"Without it, run: zoo bench {backbone.name}"
        )
    with tempfile.TemporaryDirectory(prefix="graft-untrained-") as scratch:
        folder = Path(scratch)
        fp32 = _build_random_trunk(backbone, Precision.FP32, None, folder, progress)
        try:
            trunks: tuple[BenchCandidate, ...] = (
                fp32,
                _build_random_trunk(backbone, Precision.INT8, fp32, folder, progress),
            )
        except GraftError as fault:
            progress.log(f"note: only fp32 is measured. {fault}")
            trunks = (fp32,)
        yield trunks


def _build_random_trunk(
    backbone: Backbone, precision: Precision, fp32: BenchCandidate | None, parent: Path, progress: Progress
) -> BenchCandidate:
    folder = parent / str(precision)
    folder.mkdir()
    child_process.require_build_packages(backbone, precision)
    with progress.bar(f"building {backbone.name} in {precision} with {RANDOM_WEIGHTS}", None):
        facts = child_process.build_trunk_in_child(
            backbone, precision, fp32.folder / "trunk.onnx" if fp32 else None, folder
        )
    shared_facts = _read_facts(fp32.folder) if fp32 else facts
    record = {
        "backbone": f"{RANDOM_WEIGHTS} in {backbone.name}",
        "precision": str(precision),
        "sha256": file_sha256(folder / "trunk.onnx"),
        "signature": shared_facts["signature"],
        "input": trunk_cache.input_facts(backbone),
    }
    (folder / "trunk.json").write_text(json.dumps(record))
    return BenchCandidate(precision, folder, (folder / "trunk.onnx").stat().st_size, facts["build_seconds"])


def _read_facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "trunk.json").read_bytes())
    return facts


def _make_candidate(found: trunk_cache.CachedTrunk) -> BenchCandidate:
    facts = found.facts
    return BenchCandidate(Precision(facts["precision"]), found.folder, int(facts["bytes"]), facts.get("build_seconds"))
