"""Batches: what goes together, what each sample gets, and who fails when one is bad."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from service.batching import Batcher, Batchers, Waiting, fitting
from service.engine import OnnxEngine
from service.model import Model, open_model
from service.workers import Workers
from tests.service.conftest import Serving, until
from tests.text_fakes import tiny_text_bundle
from zoo.golden import Floats
from zoo.inputs import Arrays

PREDICT = "/v1/models/topics:predict"
POISON, BLANK = 11, 12  # ids of words: the trunk raises on one, answers NaN to the other


class Sizes:
    """Counts the samples of each run."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def batched(self, samples: int) -> None:
        self.seen.append(samples)


class Owed:
    """A promise that a test waits for."""

    def __init__(self) -> None:
        self.gone, self._over = False, threading.Event()
        self._outcome: Floats | BaseException = AssertionError("it was never settled")

    def settle(self, outcome: Floats | BaseException) -> None:
        self._outcome = outcome
        self._over.set()

    def keep(self, work: Callable[[], Floats]) -> None:
        self.settle(work())

    def result(self) -> Floats:
        assert self._over.wait(30)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A text model whose trunk fails on POISON as ONNX Runtime would, and spoils its whole batch on BLANK."""
    tiny_text_bundle(tmp_path / "models")
    good = open_model(tmp_path / "models", "topics", 1, OnnxEngine())
    trunk = good.grafted.trunk

    def touchy(arrays: Arrays) -> Floats:
        if (arrays["token_ids"] == POISON).any():
            raise RuntimeError("indices element out of data bounds")
        rows = trunk(arrays)
        return np.full_like(rows, np.nan) if (arrays["token_ids"] == BLANK).any() else rows

    return replace(good, grafted=replace(good.grafted, trunk=touchy))


@contextmanager
def held(workers: Workers) -> Iterator[None]:
    """Keep the only thread busy until the block is over."""
    go_on = threading.Event()
    workers.do(lambda: go_on.wait(30))
    until(lambda: workers.resting == 0)
    yield
    go_on.set()


def asked(model: Model, *ids: int) -> Waiting:
    return Waiting(model, np.array(ids, np.int32), Owed(), lambda features, _: features)


def together(batcher: Batcher, workers: Workers, *waiting: Waiting) -> None:
    """Let all of them come while the only thread is busy."""
    with held(workers):
        for one in waiting:
            workers.do(lambda one=one: batcher.add(one))


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(1, max_waiting=99)
    yield made
    made.close()


def test_what_waits_goes_together_and_gets_what_it_would_get_alone(model: Model, workers: Workers) -> None:
    sizes = Sizes()
    waiting = [asked(model, *range(2, 2 + length)) for length in (3, 5, 4, 6, 3)]
    together(Batcher(workers, 64, sizes), workers, *waiting)
    for one in waiting:
        alone = model.features(model.inputs.batch([one.sample]))
        np.testing.assert_allclose(one.promise.result(), alone, rtol=1e-5, atol=1e-6)
    assert sizes.seen == [5]


@pytest.mark.parametrize("bad", [POISON, BLANK])
def test_only_the_guilty_fail(model: Model, workers: Workers, bad: int) -> None:
    guilty, innocent = asked(model, 2, bad, 3), [asked(model, 2, id_, 3) for id_ in (4, 5, 6)]
    together(Batcher(workers, 64, Sizes()), workers, innocent[0], guilty, *innocent[1:])
    for one in innocent:
        np.testing.assert_array_equal(one.promise.result(), model.features(model.inputs.batch([one.sample])))
    if bad == POISON:
        with pytest.raises(RuntimeError, match="out of data bounds"):
            guilty.promise.result()
    else:
        assert np.isnan(guilty.promise.result()).all()  # what becomes of it is decided with the request


def test_a_sample_that_comes_to_an_idle_server_waits_for_nobody(model: Model, workers: Workers) -> None:
    sizes = Sizes()
    batcher = Batcher(workers, 64, sizes)
    for _ in range(3):
        one = asked(model, 2, 4, 3)
        workers.do(lambda one=one: batcher.add(one))
        one.promise.result()
    assert sizes.seen == [1, 1, 1]


def test_what_nobody_waits_for_is_left_out(model: Model, workers: Workers) -> None:
    sizes, kept, gone = Sizes(), asked(model, 2, 4, 3), asked(model, 2, 5, 3)
    gone.promise.gone = True
    together(Batcher(workers, 64, sizes), workers, gone, kept)
    assert kept.promise.result().shape[0] == 1
    assert sizes.seen == [1]
    with pytest.raises(ClientDisconnect):
        gone.promise.result()


def test_long_ones_and_everything_where_batches_do_not_pay_run_alone(model: Model, workers: Workers) -> None:
    for size, lengths in ((16, (9, 12)), (1, (3, 3))):
        sizes = Sizes()
        waiting = [asked(model, *[4] * length) for length in lengths]
        together(Batcher(workers, size, sizes), workers, *waiting)
        assert all(one.promise.result().shape[0] == 1 for one in waiting)
        assert sizes.seen == [1, 1]


def test_threads_that_rest_get_their_part(model: Model) -> None:
    workers, sizes = Workers(2, max_waiting=99), Sizes()
    until(lambda: workers.resting == 2)
    batcher = Batcher(workers, 64, sizes)
    waiting = [asked(model, 2, 4, 3) for _ in range(8)]
    batcher._waiting = waiting[:7]
    batcher.add(waiting[7])  # as on a third thread, while two rest
    assert sizes.seen == [3]
    workers.close()


def lengths(model: Model, *given: int, size: int, most: int = 99) -> list[int]:
    return [one.length for one in fitting([asked(model, *[4] * length) for length in given], size, most)]


def test_the_one_that_waits_longest_chooses_its_neighbours_by_length(model: Model) -> None:
    assert lengths(model, 5, 15, 6, 4, 14, 5, size=20) == [5, 5, 6]
    assert lengths(model, 15, 5, 6, 14, size=32) == [15, 14]
    assert lengths(model, 4, 4, 4, 4, size=64, most=3) == [4, 4, 4]
    assert lengths(model, 4, 40, size=64) == [4]  # more than a quarter would be padding
    assert lengths(model, size=64) == []


def test_models_with_other_inputs_never_share_a_batch(model: Model, tmp_path: Path) -> None:
    tiny_text_bundle(tmp_path / "others", texts=2)
    pairs = open_model(tmp_path / "others", "topics", 1, OnnxEngine())
    first, other = asked(model, 2, 4, 3), asked(pairs, 2, 4, 3)
    assert fitting([first, other, asked(model, 2, 5, 3)], 64, 9)[1:] != [other]
    assert len(fitting([first, other], 64, 9)) == 1


def test_models_on_one_trunk_share_its_batcher_and_it_leaves_with_them(tmp_path: Path, workers: Workers) -> None:
    engine, batchers = OnnxEngine(), Batchers(workers, Sizes())
    for name in ("a", "b"):
        tiny_text_bundle(tmp_path / "models", name)
    models = [open_model(tmp_path / "models", name, 1, engine) for name in ("a", "b")]
    assert batchers.of(models[0]) is batchers.of(models[1])
    assert len(batchers._known) == 1
    models.clear()
    gc.collect()
    assert not batchers._known


def test_one_bad_text_of_many_requests_at_a_time(serving: Serving, models: Path) -> None:
    """Through HTTP: everybody gets their own answer, whoever shares the batch."""
    tiny_text_bundle(models)
    http: TestClient = serving(max_waiting=999)
    texts = [f"the {word} rose {number}" for word in ("cat", "dog", "fish") for number in range(20)]
    alone = [
        http.post("/v1/models/topics:predict", json={"instances": [text]}).json()["predictions"][0] for text in texts
    ]
    answers = http.post("/v1/models/topics:predict", json={"instances": texts}).json()["predictions"]
    np.testing.assert_allclose(answers, alone, atol=1e-5)
