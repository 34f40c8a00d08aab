"""Tensors over HTTP: uint8 [1,224,224,3] as JSON and as binary, of the Open Inference Protocol or a peer's own form."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_least, none_of
from benchmarks.serving.contender import Workload
from benchmarks.serving.ours import FP32, INT8
from benchmarks.serving.throughput import best_peer, block

TOGETHER = (8,)
KINDS: tuple[Workload, ...] = ("json_tensor", "binary_tensor")


def measure(bench: Bench) -> Data:
    """Return {"contender, kind": {concurrency: figures}}."""
    figures: Data = {}
    for kind in KINDS:
        print(f"  {kind}", flush=True)
        with ExitStack() as stack:
            bares = {precision: stack.enter_context(bench.bare(kind, precision)) for precision in ("fp32", "int8")}
            for contender in (FP32, INT8, *bench.peers):
                if kind in contender.workloads:
                    figures[f"{contender.name}, {kind}"] = block(bench, contender, kind, bares, TOGETHER)
    return figures


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    lines = []
    for kind in KINDS:
        rows = {name.removesuffix(f", {kind}"): row for name, row in data.items() if name.endswith(f", {kind}")}
        ours = rows.get(FP32.name, {})
        if failed := ours.get("failed"):
            lines.append(Claim(f"{FP32.name}: {kind}", "yes", failed, holds=False))
        if "8" not in ours:
            continue
        lines.append(none_of(f"{FP32.name}, {kind}: failed requests", int(ours["8"]["bad"])))
        value = ours["8"]["to_fp32"]
        pytriton = {name: row for name, row in rows.items() if kind == "json_tensor" or "triton" in name}
        if best := best_peer(pytriton, ("8",)):
            least = 2.0 if kind == "json_tensor" else 1.7
            lines.append(at_least(f"{FP32.name}, {kind}, to {best[0]}", value / best[1], least, unit=" ×"))
        elif kind == "json_tensor":
            # The best peer that was measured before: FastAPI and ONNX Runtime on two cores.
            what = f"{FP32.name}, {kind}, requests a second (103 measured for the best peer)"
            lines.append(at_least(what, ours["8"]["rate"], 206, ".0f"))
    return lines
