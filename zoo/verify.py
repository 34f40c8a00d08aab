"""What is cached, hashed once more and compared with what is on record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zoo import trunk_cache, weights
from zoo.backbone import Backbone, catalog


@dataclass(frozen=True, slots=True)
class Checked:
    """One cached file."""

    kind: str  # "weights", "fp32 trunk", "int8 trunk"
    name: str  # of the backbone
    path: str
    whole: bool  # its bytes are the recorded ones


def verify(backbones: Sequence[Backbone] = ()) -> list[Checked]:
    """Hash the cached weights and trunks of `backbones`; of every one, where none is named."""
    wanted = backbones or catalog()
    names = {backbone.name for backbone in wanted}
    trunks = [
        Checked(f"{found.facts['precision']} trunk", found.facts["backbone"], str(found.path), found.is_whole())
        for found in trunk_cache.cached()
        if not backbones or found.facts["backbone"] in names
    ]
    return [*_weights(wanted), *sorted(trunks, key=lambda item: (item.name, item.kind, item.path))]


def _weights(backbones: Sequence[Backbone]) -> Iterator[Checked]:
    for backbone in backbones:
        for part in weights.parts(backbone):
            if part.path.is_file():
                yield Checked("weights", backbone.name, str(part.path), part.is_whole())
