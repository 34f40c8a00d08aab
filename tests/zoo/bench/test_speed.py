"""What a result says of itself: how much int8 gains, and how much its rounds differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.zoo.bench.results import result
from zoo.bench.speed import Result, Timing


def timing(*rounds: float) -> Timing:
    return Timing(batch=1, threads=1, ms=sorted(rounds)[len(rounds) // 2], rounds=rounds)


def test_a_gain_is_of_rounds_taken_together() -> None:
    """The machine was busy in the last two rounds: both precisions took twice as long in one, int8 alone in another."""
    assert timing(10, 10, 10, 20, 10).gain(timing(5, 5, 5, 10, 10)) == 2


def test_the_least_and_the_most_over_all_batches_and_threads() -> None:
    measured = result("resnet50.imagenet", fp32=30, int8=10)
    assert measured.gain() == pytest.approx((3, 3))
    fp32, int8 = measured.speeds
    first, *rest = int8.timings
    slower = replace(int8, timings=(replace(first, rounds=(20, 40, 20)), *rest))
    assert replace(measured, speeds=(fp32, slower)).gain() == pytest.approx((1.5, 3))


def test_one_precision_alone_gains_nothing() -> None:
    assert result("vgg16.imagenet", fp32=80).gain() is None


def test_unrest_is_the_most_that_rounds_differ() -> None:
    assert result("vgg16.imagenet", fp32=80).unrest() == pytest.approx(2)


def test_facts_are_read_as_they_were_written() -> None:
    measured = result("vgg16.imagenet", fp32=80, int8=20)
    assert Result.of(measured.facts()) == measured
