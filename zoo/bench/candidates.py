"""Which trunks of a backbone are measured: those that are here, or both; or both with random weights."""

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
    """A trunk on disk that can be measured: a folder as those of `zoo.trunks.trunk_cache`."""

    precision: Precision
    folder: Path
    bytes: int
    build_seconds: float | None


def default_candidates(backbone: Backbone, progress: Progress) -> tuple[BenchCandidate, ...]:
    """Return those trunks of `backbone` that the cache has; where it has none, what `zoo pull` makes, and fp32.

    Raises:
        WeightsError, TrunkError, MissingExtra: as of `trunk_cache.ensure`.
    """
    cached = tuple(precision for precision in Precision if trunk_cache.lookup_trunk(backbone, precision))
    chosen = cached or tuple(dict.fromkeys((Precision.FP32, backbone.precision)))
    return tuple(_make_candidate(trunk_cache.ensure_trunk(backbone, precision, progress)) for precision in chosen)


def fp32_and_int8_candidates(backbone: Backbone, progress: Progress) -> tuple[BenchCandidate, ...]:
    """Return the trunks of `backbone` in fp32 and in int8, built where they are not here.

    An int8 trunk that cannot be built is said, and left out.

    Raises:
        WeightsError, TrunkError, MissingExtra: the one in fp32 could not be had.
    """
    fp32 = _make_candidate(trunk_cache.ensure_trunk(backbone, Precision.FP32, progress))
    try:
        return fp32, _make_candidate(trunk_cache.ensure_trunk(backbone, Precision.INT8, progress))
    except GraftError as fault:
        progress.log(f"note: only fp32 is measured. {fault}")
        return (fp32,)


@contextmanager
def random_weight_candidates(backbone: Backbone, progress: Progress) -> Iterator[tuple[BenchCandidate, ...]]:
    """Build both trunks of `backbone` with random weights, outside the cache; they are gone at the end.

    The work is that of the real ones, the features mean nothing: their record says so, under a name of no backbone.

    Raises:
        TrunkError, MissingExtra: they could not be built: of texts and of presets only the files tell the layers.
    """
    if not isinstance(backbone.takes, ImageSpec) or backbone.takes.scaling is Scaling.PRESET:
        raise TrunkError(
            f"{backbone.name} cannot be built with random weights: what layers it has stands in files that come with "
            "its real ones. Random weights are for the networks of keras.applications and EfficientNet-Lite; for this "
            f"one run: zoo bench {backbone.name}"
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
