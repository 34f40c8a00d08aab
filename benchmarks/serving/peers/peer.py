"""A peer as a contender: a server program, run by the Python of an environment of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving.contender import MODEL, Workload, running
from benchmarks.serving.peers.environment import python_of
from benchmarks.serving.peers.samples import golden

PROGRAMS = Path(__file__).parent / "programs"

Wire = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way to start one peer.

    `command` follows the environment's Python; `{program}` is the path of the program, `{port}` the port.
    `knobs` are environment variables; the program tells which there are.
    """

    name: str
    environment: str  # the name of its requirements file and of its virtual environment
    program: str
    wires: Mapping[Workload, Wire]  # a sample -> the request that the program takes
    command: tuple[str, ...] = ("{program}",)
    knobs: Mapping[str, str] = field(default_factory=dict)
    random_weights: bool = False  # no answer of it can be right

    @property
    def workloads(self) -> frozenset[Workload]:
        """What it can be asked."""
        return frozenset(self.wires)

    def request(self, workload: Workload, sample: bytes) -> bytes:
        """Return one whole HTTP/1.1 request for `sample`."""
        return self.wires[workload](sample)

    @contextmanager
    def serve(self, models: Path, workload: Workload, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """Run the program until the block ends; see `Contender.serve`.

        Raises:
            RuntimeError: its environment was not made yet, or it did not start.
        """
        words = {"program": str(PROGRAMS / self.program), "port": str(port)}
        command = [python_of(self.environment), *(part.format(**words) for part in self.command)]
        surroundings = {
            "PYTHONPATH": str(PROGRAMS),
            "MODEL": str((models / MODEL[workload] / "1").resolve()),
            "WORKLOAD": workload,
            "PORT": str(port),
            **self.knobs,
        }
        sample, _ = golden(models, workload)[0]
        with (
            TemporaryDirectory(prefix="peer-") as folder,
            running(
                command, port, self.request(workload, sample), environment=surroundings, folder=Path(folder)
            ) as process,
        ):
            yield process
