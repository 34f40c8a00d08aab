"""Benchmark results: the speedup of int8, the spread of rounds, JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.zoo.bench_results import result
from zoo.bench.bench_result import BenchResult, Timing


def timing(*rounds: float) -> Timing:
    return Timing(batch=1, threads=1, ms=sorted(rounds)[len(rounds) // 2], rounds=rounds)


def test_int8_speedup_compares_rounds_pairwise() -> None:
    """The machine was busy in the last two rounds: both precisions took twice as long in one, int8 alone in another."""
    assert timing(10, 10, 10, 20, 10).speedup(timing(5, 5, 5, 10, 10)) == 2


def test_int8_speedup_range_over_batches_and_threads() -> None:
    measured = result("resnet50.imagenet", fp32=30, int8=10)
    assert measured.int8_speedup() == pytest.approx((3, 3))
    fp32, int8 = measured.speeds
    first, *rest = int8.timings
    slower = replace(int8, timings=(replace(first, rounds=(20, 40, 20)), *rest))
    assert replace(measured, speeds=(fp32, slower)).int8_speedup() == pytest.approx((1.5, 3))


def test_int8_speedup_needs_both_precisions() -> None:
    assert result("vgg16.imagenet", fp32=80).int8_speedup() is None


def test_spread_is_the_largest_ratio_of_rounds() -> None:
    assert result("vgg16.imagenet", fp32=80).max_round_spread() == pytest.approx(2)


def test_bench_result_json_round_trip() -> None:
    measured = result("vgg16.imagenet", fp32=80, int8=20)
    assert BenchResult.from_dict(measured.to_dict()) == measured
