"""Which trunks of a backbone are measured: those that are here, or both; or both with random weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zoo import trunk_cache
from zoo.backbone import Backbone, Pixels, Precision, Scaling
from zoo.build import child
from zoo.errors import GraftError, TrunkError
from zoo.files import sha256_of
from zoo.progress import Progress

RANDOM: Final = "random weights"


@dataclass(frozen=True, slots=True)
class Ready:
    """A trunk on disk that can be measured: a folder as those of `zoo.trunk_cache`."""

    precision: Precision
    folder: Path
    bytes: int
    build_seconds: float | None


def here(backbone: Backbone, progress: Progress) -> tuple[Ready, ...]:
    """Return those trunks of `backbone` that the cache has; where it has none, what `zoo pull` makes, and fp32.

    Raises:
        WeightsError, TrunkError, MissingExtra: as of `trunk_cache.ensure`.
    """
    there = tuple(precision for precision in Precision if trunk_cache.lookup(backbone, precision))
    wanted = there or tuple(dict.fromkeys((Precision.FP32, backbone.precision)))
    return tuple(_ready(trunk_cache.ensure(backbone, precision, progress)) for precision in wanted)


def both(backbone: Backbone, progress: Progress) -> tuple[Ready, ...]:
    """Return the trunks of `backbone` in fp32 and in int8, built where they are not here.

    An int8 trunk that cannot be built is said, and left out.

    Raises:
        WeightsError, TrunkError, MissingExtra: the one in fp32 could not be had.
    """
    fp32 = _ready(trunk_cache.ensure(backbone, Precision.FP32, progress))
    try:
        return fp32, _ready(trunk_cache.ensure(backbone, Precision.INT8, progress))
    except GraftError as fault:
        progress.say(f"note: only fp32 is measured. {fault}")
        return (fp32,)


@contextmanager
def untrained(backbone: Backbone, progress: Progress) -> Iterator[tuple[Ready, ...]]:
    """Build both trunks of `backbone` with random weights, outside the cache; they are gone at the end.

    The work is that of the real ones, the features mean nothing: their record says so, under a name of no backbone.

    Raises:
        TrunkError, MissingExtra: they could not be built: of texts and of presets only the files tell the layers.
    """
    if not isinstance(backbone.takes, Pixels) or backbone.takes.scaling is Scaling.PRESET:
        raise TrunkError(
            f"{backbone.name} cannot be built with random weights: what layers it has stands in files that come with "
            "its real ones. Random weights are for the networks of keras.applications and EfficientNet-Lite; for this "
            f"one run: zoo bench {backbone.name}"
        )
    with tempfile.TemporaryDirectory(prefix="graft-untrained-") as scratch:
        folder = Path(scratch)
        fp32 = _built(backbone, Precision.FP32, None, folder, progress)
        try:
            trunks: tuple[Ready, ...] = (fp32, _built(backbone, Precision.INT8, fp32, folder, progress))
        except GraftError as fault:
            progress.say(f"note: only fp32 is measured. {fault}")
            trunks = (fp32,)
        yield trunks


def _built(backbone: Backbone, precision: Precision, fp32: Ready | None, top: Path, progress: Progress) -> Ready:
    folder = top / str(precision)
    folder.mkdir()
    child.check_installed(backbone, precision)
    with progress.bar(f"building {backbone.name} in {precision} with {RANDOM}", None):
        facts = child.build(backbone, precision, fp32.folder / "trunk.onnx" if fp32 else None, folder)
    of_both = _facts(fp32.folder) if fp32 else facts
    told = {
        "backbone": f"{RANDOM} in {backbone.name}",
        "precision": str(precision),
        "sha256": sha256_of(folder / "trunk.onnx"),
        "signature": of_both["signature"],
        "input": trunk_cache.input_facts(backbone),
    }
    (folder / "trunk.json").write_text(json.dumps(told))
    return Ready(precision, folder, (folder / "trunk.onnx").stat().st_size, facts["build_seconds"])


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "trunk.json").read_bytes())
    return facts


def _ready(found: trunk_cache.CachedTrunk) -> Ready:
    facts = found.facts
    return Ready(Precision(facts["precision"]), found.folder, int(facts["bytes"]), facts.get("build_seconds"))
