"""Make the peers' environments, and see that each peer starts and answers as Graft does.

python -m benchmarks.serving.peers [--models MODELS] [NAME…]

NAME is an environment (mosec) or a peer ("mosec tuned"). None means those that PEERS in the environment names, or
all of them. MODELS is a repository with `photos` and `topics`; without it both are fine-tuned here first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.serving.bench import chosen_peers
from benchmarks.serving.contender import Workload, ask, free_port
from benchmarks.serving.peers import PEERS, environment
from benchmarks.serving.peers.peer import Peer
from benchmarks.serving.peers.samples import golden
from benchmarks.serving.samples import make_photos, make_topics


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(names: tuple[str, ...], models: Path | None) -> None:
    selected = {*names} or {peer.name for peer in chosen_peers()} or {*PEERS}
    chosen = [peer for peer in PEERS.values() if {peer.name, peer.environment} & selected]
    if not chosen:
        raise click.UsageError(f"no peer is called {', '.join(names)}. There are: {', '.join(PEERS)}.")
    with TemporaryDirectory() as folder:
        repository = models or fine_tune_both(Path(folder))
        right = [check_peer(peer, repository) for peer in chosen]
    sys.exit(not all(right))


def fine_tune_both(folder: Path) -> Path:
    """Fine-tune both models, and return their repository."""
    make_photos(folder / "models", "fp32")
    return make_topics(folder / "models", "fp32")


def check_peer(peer: Peer, models: Path) -> bool:
    """Make the peer's environment and ask it everything; print what came of it, and say whether all is well."""
    try:
        environment.make(peer.environment)
    except RuntimeError as fault:
        print(f"{peer.name:18} {fault}", flush=True)
        return False
    all_ok = True
    for workload in sorted(peer.workloads):
        result = verdict(peer, workload, models)
        print(f"{peer.name:18} {workload:14} {result}", flush=True)
        all_ok &= not result.startswith("FAILED")
    return all_ok


def verdict(peer: Peer, workload: Workload, models: Path) -> str:
    """Start the peer, ask for every golden sample, and compare the label with Graft's own."""
    port = free_port()
    selected = golden(models, workload)
    try:
        with peer.serve(models, workload, port):
            answers = [ask(port, peer.request(workload, sample)) for sample, _ in selected]
    except (RuntimeError, OSError) as fault:
        return f"FAILED: {fault}"
    bad = [answer for answer in answers if answer[0] != 200]
    if bad:
        return f"FAILED: status {bad[0][0]}, {bad[0][1][:200]!r}"
    if peer.random_weights:
        return f"answers {len(selected)} of {len(selected)}; its weights are random"
    right = sum(encode_label(label) in body for (_, label), (_, body) in zip(selected, answers, strict=True))
    return f"{'ok' if right == len(selected) else 'FAILED'}: {right} of {len(selected)} labels are Graft's"


def encode_label(label: str) -> bytes:
    """Return the label as every peer's answer, JSON or msgpack, has it: its text ends where the label does."""
    return json.dumps(label).encode()[1:-1]


if __name__ == "__main__":
    main()
