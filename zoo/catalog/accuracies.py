"""ImageNet top-1 of presets, in percent: hand-made, each number with the page where it is published of these weights.

`accuracies.json` is a list of sources: the address, why its numbers are those of exactly these weights, and the numbers
by the entry's name. A number that only the same architecture has, trained otherwise, stays out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

TOP1_SOURCES: Final[list[dict[str, Any]]] = json.loads(Path(__file__).with_suffix(".json").read_bytes())
PUBLISHED_TOP1: Final[Mapping[str, float]] = MappingProxyType(
    {name: top1 for source in TOP1_SOURCES for name, top1 in source["top1"].items()}
)
