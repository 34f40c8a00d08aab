"""Golden samples: the same answers, or a refusal that names the stage that differs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graft.bundle.golden import Golden
from graft.bundle.replay import replay
from graft.errors import ReplayFailed
from graft.inputs.image import ImageInput
from graft.runtime.session import open_session
from tests.support.fakes import SIZE, picture, tiny_bundle


class Inverted(ImageInput):
    """A decoder that sees a negative."""

    def __call__(self, data: bytes) -> np.ndarray:
        return 255 - ImageInput.__call__(self, data)


@pytest.fixture
def parts(tmp_path: Path):
    bundle = tiny_bundle(tmp_path / "models")
    trunk, head = open_session(bundle.layout.trunk), open_session(bundle.layout.head)
    return (
        bundle.read_golden(),
        bundle.manifest,
        ImageInput(SIZE),
        lambda arrays: trunk.run(None, dict(arrays))[0],
        lambda features: head.run(None, {"features": features})[0],
    )


def test_replay_passes_for_the_trained_model(parts) -> None:
    golden, manifest, inputs, trunk, head = parts
    calls: Counter[str] = Counter()

    def counted(stage, answer):
        def ask(rows):
            calls[stage] += 1
            return answer(rows)

        return ask

    replay(
        golden, manifest, inputs, counted("trunk", trunk), counted("head", head)
    )  # raises ReplayFailed if one differs
    assert calls == {"trunk": len(golden.samples), "head": len(golden.samples)}


def test_replay_names_different_pixels(parts) -> None:
    golden, manifest, _, trunk, head = parts
    with pytest.raises(ReplayFailed, match="other pixels"):
        replay(golden, manifest, Inverted(SIZE), trunk, head)


def test_replay_names_a_different_trunk(parts) -> None:
    golden, manifest, inputs, trunk, head = parts
    with pytest.raises(ReplayFailed, match="stage that differs is the trunk"):
        replay(golden, manifest, inputs, lambda arrays: trunk(arrays) + 1, head)


@pytest.mark.parametrize(
    "wrong", [lambda scores: scores[:, ::-1], lambda scores: scores * np.nan, lambda scores: scores + 0.002]
)
def test_replay_names_a_different_head(parts, wrong) -> None:
    golden, manifest, inputs, trunk, head = parts
    with pytest.raises(ReplayFailed, match="stage that differs is the head"):
        replay(golden, manifest, inputs, trunk, lambda features: wrong(head(features)))


def test_replay_allows_int8_more_but_not_another_label(parts) -> None:
    golden, manifest, inputs, trunk, head = parts
    manifest = dataclasses.replace(manifest, precision="int8")
    replay(golden, manifest, inputs, trunk, lambda features: head(features) + 0.01)
    close = np.array([[0.53, 0.47]], np.float32)
    single = dataclasses.replace(golden, samples=golden.samples[:1], scores=close)
    with pytest.raises(ReplayFailed, match="label differs"):
        replay(single, manifest, inputs, trunk, lambda _: np.array([[0.49, 0.51]], np.float32))


def test_replay_names_an_undecodable_sample(parts) -> None:
    golden, manifest, inputs, trunk, head = parts
    broken = dataclasses.replace(golden, samples=(b"nothing", *golden.samples[1:]))
    with pytest.raises(ReplayFailed, match="sample 1 of 3 does not decode"):
        replay(broken, manifest, inputs, trunk, head)


def test_replay_tolerance_of_numbers_follows_the_targets_deviation(parts) -> None:
    golden, manifest, inputs, trunk, _ = parts
    prices = dataclasses.replace(golden, scores=golden.features[:, :1] * 1000)
    manifest = dataclasses.replace(manifest, task="regress", head={"unit": 500.0})
    replay(prices, manifest, inputs, trunk, lambda features: features[:, :1] * 1000 + 0.4)
    with pytest.raises(ReplayFailed, match=r"off by 0\.6, allowed is 0\.5"):
        replay(prices, manifest, inputs, trunk, lambda features: features[:, :1] * 1000 + 0.6)


def test_replay_of_a_headless_model_compares_features(parts) -> None:
    golden, manifest, inputs, trunk, _ = parts
    bare = Golden.record(golden.samples, inputs, trunk, None)
    assert bare.scores.shape == (3, 0)
    replay(bare, manifest, inputs, trunk, None)
    with pytest.raises(ReplayFailed, match="stage that differs is the trunk"):
        replay(bare, manifest, inputs, lambda arrays: trunk(arrays) * 1.01, None)


def test_golden_samples_npz_round_trip(parts) -> None:
    golden, *_ = parts
    back = Golden.from_npz(golden.to_npz(), "here")
    assert back.samples == golden.samples
    assert back.samples[0] == picture("red")
    assert back.arrays_sha256 == golden.arrays_sha256
    assert (back.features == golden.features).all()
    assert (back.scores == golden.scores).all()
