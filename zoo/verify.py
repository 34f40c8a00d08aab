"""What is cached, hashed once more and compared with what is on record, and with graft.lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from zoo import lockfile, trunk_cache, weights
from zoo.backbone import Backbone, every
from zoo.files import sha256_of
from zoo.lockfile import Lock
from zoo.progress import Bar, Progress, Silence
from zoo.trunk_cache import CachedTrunk
from zoo.trust import trust

_LARGE = 200_000_000  # bytes; hashing them takes long enough to be told


class State(StrEnum):
    """What became of a file."""

    FINE = "fine"
    DAMAGED = "damaged"  # its bytes are not the recorded ones
    DIFFERS = "differs"  # they are, but graft.lock has others


@dataclass(frozen=True, slots=True)
class Checked:
    """One cached file."""

    kind: str  # "weights", "fp32 trunk", "int8 trunk"
    name: str  # of the backbone
    path: str
    state: State
    trust: str  # what weights are held to: "pinned", "locked", "unpinned"; "built" is a trunk

    @property
    def whole(self) -> bool:
        """Say whether nothing is wrong with it."""
        return self.state is State.FINE


def verify(backbones: Sequence[Backbone] = (), progress: Progress | None = None) -> list[Checked]:
    """Hash the cached weights and trunks of `backbones`; of every one, where none is named.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    wanted, lock = backbones or every(), lockfile.read()
    names = {backbone.name for backbone in wanted}
    parts = [(b, p) for b in wanted for p in (*weights.parts(b), *weights.beside(b)) if p.path.is_file()]
    trunks = [found for found in trunk_cache.cached() if not backbones or found.facts["backbone"] in names]
    total = sum(part.path.stat().st_size for _, part in parts) + sum(map(_size, trunks))
    heard = (progress if total > _LARGE else None) or Silence()
    with heard.bar("hashing", total, "B") as bar:
        checked = [_weights(backbone, part, lock, bar) for backbone, part in parts]
        built = [_trunk(found, bar) for found in trunks]
    return [*checked, *sorted(built, key=lambda item: (item.name, item.kind, item.path))]


def _weights(backbone: Backbone, part: weights.Part, lock: Lock | None, bar: Bar) -> Checked:
    found = sha256_of(part.path)
    bar.advance(part.path.stat().st_size)
    if found != (part.pinned or part.recorded):
        state = State.DAMAGED
    else:
        state = State.DIFFERS if part.locked and found != part.locked else State.FINE
    return Checked("weights", backbone.name, str(part.path), state, str(trust(backbone, lock)))


def _trunk(found: CachedTrunk, bar: Bar) -> Checked:
    state = State.FINE if found.is_whole() else State.DAMAGED
    bar.advance(_size(found))
    return Checked(f"{found.facts['precision']} trunk", str(found.facts["backbone"]), str(found.path), state, "built")


def _size(found: CachedTrunk) -> int:
    return found.path.stat().st_size if found.path.is_file() else 0
