"""Results as `zoo bench` would have them, with numbers that are easy to see through."""

from __future__ import annotations

from zoo.bench.bench_result import BenchResult, Timing, TrunkSpeed, WeightsKind
from zoo.bench.machine import Machine

MACHINE = Machine(cpu="Test CPU (model 1)", features="0" * 16, cores=4, onnxruntime="1.0")


def speed(precision: str, ms: float) -> TrunkSpeed:
    """`ms` alone on one thread, half of it in batches or side by side; one round of three takes twice as long."""
    variants = {(1, 1): ms, (1, 4): ms / 2, (8, 1): ms / 2, (8, 4): ms / 4}
    timings = tuple(
        Timing(batch=batch, threads=threads, ms=one, rounds=(one, 2 * one, one))
        for (batch, threads), one in variants.items()
    )
    return TrunkSpeed(
        precision=precision, megabytes=9.5, memory=20.0, load_seconds=0.1, build_seconds=None, timings=timings
    )


def result(name: str, *, weights: WeightsKind = "pretrained", tokens: int | None = None, **ms: float) -> BenchResult:
    """A result with the ms of each precision: `result("vgg16.imagenet", fp32=80, int8=30)`."""
    speeds = tuple(speed(precision, number) for precision, number in ms.items())
    return BenchResult(name=name, weights=weights, tokens=tokens, rounds=7, when="2030-01-31", speeds=speeds)
