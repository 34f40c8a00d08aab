"""What every measurement needs: how much effort to spend, the repositories to serve, who takes part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.serving.bare import Bare, bare
from benchmarks.serving.contender import MODEL, Contender, Workload, free_port
from benchmarks.serving.load import Outcome, Plan, load
from benchmarks.serving.samples import make_photos, make_topics, sample
from graft.runtime.cpu_threads import available_cores


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long everything is measured."""

    rounds: int = 5  # of bare loop and server in turn
    seconds: float = 3.0  # of one of them
    starts: int = 20
    photos: int = 4000  # of the folder
    swaps: int = 1000
    poisonable: int = 10_000  # requests

    @property
    def description(self) -> str:
        """Say it in words."""
        return f"{self.rounds} rounds of {self.seconds:g} s"


FULL = Effort()
QUICK = Effort(rounds=1, seconds=1.0, starts=3, photos=400, swaps=20, poisonable=1000)


@dataclass(frozen=True)
class Bench:
    """One run of the benchmarks; `folder` is its own, for the models."""

    folder: Path
    effort: Effort = FULL
    peers: Sequence[Contender] = ()
    _made: dict[str, Path] = field(default_factory=dict)

    @cached_property
    def cores(self) -> int:
        """Return how many threads the bare loop has, and the server by default."""
        return available_cores()

    def models(self, workload: Workload, precision: str = "fp32", seed: int = 0) -> Path:
        """Return the repository with the one model of a workload, made when it is first asked for."""
        name = MODEL[workload]
        key = f"{name}-{precision}-{seed}"
        if key not in self._made:
            models = self.folder / key
            self._made[key] = (
                make_topics(models, precision) if name == "topics" else make_photos(models, precision, seed)
            )
        return self._made[key]

    def models_of(self, contender: Contender, workload: Workload) -> Path:
        """Return the repository that a contender serves: the fp32 one, unless it says otherwise."""
        return self.models(workload, getattr(contender, "precision", "fp32"))

    @contextmanager
    def bare(self, workload: Workload, precision: str = "fp32") -> Iterator[Bare]:
        """Open the bare loop of a workload."""
        with bare(self.models(workload, precision), workload, sample(workload)) as loop:
            yield loop

    @contextmanager
    def served(self, contender: Contender, workload: Workload) -> Iterator[int]:
        """Run a contender on a free port, and warm it; yields the port."""
        port = free_port()
        with contender.serve(self.models_of(contender, workload), workload, port):
            self.load(contender, workload, port, 2 * self.cores, min(2.0, self.effort.seconds))
            yield port

    def load(
        self, contender: Contender, workload: Workload, port: int, connections: int, seconds: float | None = None
    ) -> Outcome:
        """Load a running contender with one closed loop on each connection."""
        request = contender.request(workload, sample(workload))
        plan = Plan(port=port, connections=connections, seconds=seconds or self.effort.seconds)
        return load([request], plan)


def chosen_peers() -> tuple[Contender, ...]:
    """Return the peers that PEERS in the environment names: "mosec,fastapi", each with its variants, or "all"."""
    names = [name.strip().lower() for name in os.environ.get("PEERS", "").split(",") if name.strip()]
    if not names:
        return ()
    from benchmarks.serving.peers import PEERS

    chosen = [
        peer for name, peer in PEERS.items() if "all" in names or any(name.lower().startswith(one) for one in names)
    ]
    if not chosen:
        raise SystemExit(f"PEERS names {', '.join(names)}; there are {', '.join(PEERS)}, or all.")
    return tuple(chosen)
