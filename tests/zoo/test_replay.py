"""Golden samples: the same answers, or a refusal that names the stage that differs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import SIZE, picture, tiny_bundle
from zoo.errors import ReplayFailed
from zoo.golden import Golden
from zoo.inputs import ImageInput
from zoo.replay import replay
from zoo.trunk import open_session


@pytest.fixture
def parts(tmp_path: Path):
    bundle = tiny_bundle(tmp_path / "models")
    trunk, head = open_session(bundle.layout.trunk), open_session(bundle.layout.head)
    return (
        bundle.golden(),
        ImageInput(SIZE),
        lambda arrays: trunk.run(None, {"image": arrays})[0],
        lambda features: head.run(None, {"features": features})[0],
    )


def test_what_was_trained_is_what_answers(parts) -> None:
    golden, inputs, trunk, head = parts
    replay(golden, "fp32", inputs, trunk, head)


def test_other_pixels_are_named(parts) -> None:
    golden, inputs, trunk, head = parts
    with pytest.raises(ReplayFailed, match="other pixels"):
        replay(golden, "fp32", lambda data: 255 - inputs(data), trunk, head)


def test_another_trunk_is_named(parts) -> None:
    golden, inputs, trunk, head = parts
    with pytest.raises(ReplayFailed, match="stage that differs is the trunk"):
        replay(golden, "fp32", inputs, lambda arrays: trunk(arrays) + 1, head)


@pytest.mark.parametrize(
    "wrong", [lambda scores: scores[:, ::-1], lambda scores: scores * np.nan, lambda scores: scores + 0.002]
)
def test_another_head_is_named(parts, wrong) -> None:
    golden, inputs, trunk, head = parts
    with pytest.raises(ReplayFailed, match="stage that differs is the head"):
        replay(golden, "fp32", inputs, trunk, lambda features: wrong(head(features)))


def test_int8_may_move_more_but_not_the_label(parts) -> None:
    golden, inputs, trunk, head = parts
    replay(golden, "int8", inputs, trunk, lambda features: head(features) + 0.01)
    close = np.array([[0.53, 0.47]], np.float32)
    one = dataclasses.replace(golden, samples=golden.samples[:1], scores=close)
    with pytest.raises(ReplayFailed, match="label differs"):
        replay(one, "int8", inputs, trunk, lambda _: np.array([[0.49, 0.51]], np.float32))


def test_a_sample_that_does_not_decode_is_named(parts) -> None:
    golden, inputs, trunk, head = parts
    broken = dataclasses.replace(golden, samples=(b"nothing", *golden.samples[1:]))
    with pytest.raises(ReplayFailed, match="sample 1 of 3 does not decode"):
        replay(broken, "fp32", inputs, trunk, head)


def test_golden_samples_travel(parts) -> None:
    golden, *_ = parts
    back = Golden.of_npz(golden.to_npz(), "here")
    assert back.samples == golden.samples
    assert back.samples[0] == picture("red")
    assert back.arrays_sha256 == golden.arrays_sha256
    assert (back.features == golden.features).all()
    assert (back.scores == golden.scores).all()
