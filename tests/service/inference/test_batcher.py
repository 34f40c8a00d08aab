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

from graft.inputs.open_input import BatchArrays
from graft.types import Float32Array
from service.inference.batcher import Batcher, BatcherRegistry, PendingSample, select_batch
from service.inference.worker_pool import WorkerPool
from service.models.engine import OnnxEngine
from service.models.model import Model, open_model
from tests.support.service.serving import Serving
from tests.support.text_fakes import tiny_text_bundle
from tests.support.wait import until

PREDICT = "/v1/models/topics:predict"
POISON, BLANK = 11, 12  # ids of words: the trunk raises on one, answers NaN to the other


class FakeFuture:
    """A job's future that a test waits for."""

    def __init__(self) -> None:
        self.is_cancelled, self._over = False, threading.Event()
        self._outcome: Float32Array | BaseException = AssertionError("no outcome was set")

    def set_outcome(self, outcome: Float32Array | BaseException) -> None:
        self._outcome = outcome
        self._over.set()

    def complete_with(self, work: Callable[[], Float32Array]) -> None:
        self.set_outcome(work())

    def result(self) -> Float32Array:
        assert self._over.wait(30)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A text model whose trunk fails on POISON as ONNX Runtime would, and spoils its whole batch on BLANK."""
    tiny_text_bundle(tmp_path / "models")
    good = open_model(tmp_path / "models", "topics", 1, OnnxEngine())
    trunk = good.graphs.trunk

    def touchy(arrays: BatchArrays) -> Float32Array:
        if (arrays["token_ids"] == POISON).any():
            raise RuntimeError("indices element out of data bounds")
        rows = trunk(arrays)
        return np.full_like(rows, np.nan) if (arrays["token_ids"] == BLANK).any() else rows

    return replace(good, graphs=replace(good.graphs, trunk=touchy))


@contextmanager
def held(workers: WorkerPool) -> Iterator[None]:
    """Keep the only thread busy until the block is over."""
    go_on = threading.Event()
    workers.submit(lambda: go_on.wait(30))
    until(lambda: workers.idle_threads == 0)
    yield
    go_on.set()


def asked(model: Model, *ids: int) -> PendingSample:
    return PendingSample(model, np.array(ids, np.int32), FakeFuture(), lambda features, _: features)


def together(batcher: Batcher, workers: WorkerPool, *waiting: PendingSample) -> None:
    """Let all of them come while the only thread is busy."""
    with held(workers):
        for one in waiting:
            workers.submit(lambda one=one: batcher.add(one))


@pytest.fixture
def workers() -> Iterator[WorkerPool]:
    made = WorkerPool(1)
    yield made
    made.close()


def test_micro_batch_gives_each_sample_its_own_answer(model: Model, workers: WorkerPool) -> None:
    sizes: list[int] = []
    waiting = [asked(model, *range(2, 2 + length)) for length in (3, 5, 4, 6, 3)]
    together(Batcher(workers, 64, sizes.append), workers, *waiting)
    for one in waiting:
        alone = model.features(model.inputs.batch([one.sample]))
        np.testing.assert_allclose(one.future.result(), alone, rtol=1e-5, atol=1e-6)
    assert sizes == [5]


@pytest.mark.parametrize("bad", [POISON, BLANK])
def test_micro_batch_with_a_bad_sample_fails_only_that_sample(model: Model, workers: WorkerPool, bad: int) -> None:
    guilty, innocent = asked(model, 2, bad, 3), [asked(model, 2, id_, 3) for id_ in (4, 5, 6)]
    together(Batcher(workers, 64, [].append), workers, innocent[0], guilty, *innocent[1:])
    for one in innocent:
        np.testing.assert_array_equal(one.future.result(), model.features(model.inputs.batch([one.sample])))
    if bad == POISON:
        with pytest.raises(RuntimeError, match="out of data bounds"):
            guilty.future.result()
    else:
        assert np.isnan(guilty.future.result()).all()  # what becomes of it is decided with the request


def test_micro_batch_is_not_waited_for_on_an_idle_server(model: Model, workers: WorkerPool) -> None:
    sizes: list[int] = []
    batcher = Batcher(workers, 64, sizes.append)
    for _ in range(3):
        one = asked(model, 2, 4, 3)
        workers.submit(lambda one=one: batcher.add(one))
        one.future.result()
    assert sizes == [1, 1, 1]


def test_micro_batch_leaves_out_disconnected_clients(model: Model, workers: WorkerPool) -> None:
    sizes, kept, gone = [], asked(model, 2, 4, 3), asked(model, 2, 5, 3)
    gone.future.is_cancelled = True
    together(Batcher(workers, 64, sizes.append), workers, gone, kept)
    assert kept.future.result().shape[0] == 1
    assert sizes == [1]
    with pytest.raises(ClientDisconnect):
        gone.future.result()


def test_micro_batch_of_one_for_long_texts_and_where_batching_does_not_pay(model: Model, workers: WorkerPool) -> None:
    for size, lengths in ((16, (9, 12)), (1, (3, 3))):
        sizes: list[int] = []
        waiting = [asked(model, *[4] * length) for length in lengths]
        together(Batcher(workers, size, sizes.append), workers, *waiting)
        assert all(one.future.result().shape[0] == 1 for one in waiting)
        assert sizes == [1, 1]


def test_micro_batch_leaves_a_share_for_idle_threads(model: Model) -> None:
    workers, sizes = WorkerPool(2), []
    until(lambda: workers.idle_threads == 2)
    batcher = Batcher(workers, 64, sizes.append)
    waiting = [asked(model, 2, 4, 3) for _ in range(8)]
    batcher._queue = waiting[:7]
    batcher.add(waiting[7])  # as on a third thread, while two rest
    assert sizes == [3]
    workers.close()


def lengths(model: Model, *given: int, size: int, most: int = 99) -> list[int]:
    return [one.length for one in select_batch([asked(model, *[4] * length) for length in given], size, most)]


def test_micro_batch_is_chosen_by_the_oldest_sample_and_similar_length(model: Model) -> None:
    assert lengths(model, 5, 15, 6, 4, 14, 5, size=20) == [5, 5, 6]
    assert lengths(model, 15, 5, 6, 14, size=32) == [15, 14]
    assert lengths(model, 4, 4, 4, 4, size=64, most=3) == [4, 4, 4]
    assert lengths(model, 4, 40, size=64) == [4]  # more than a quarter would be padding
    assert lengths(model, size=64) == []


def test_micro_batch_never_mixes_models_with_other_inputs(model: Model, tmp_path: Path) -> None:
    tiny_text_bundle(tmp_path / "others", texts=2)
    pairs = open_model(tmp_path / "others", "topics", 1, OnnxEngine())
    first, other, third = asked(model, 2, 4, 3), asked(pairs, 2, 4, 3), asked(model, 2, 5, 3)
    assert select_batch([first, other, third], 64, 9) == [first, third]  # compared by identity
    assert select_batch([other, first, third], 64, 9) == [other]


def test_micro_batch_queue_is_shared_by_models_with_one_trunk(tmp_path: Path, workers: WorkerPool) -> None:
    engine, batchers = OnnxEngine(), BatcherRegistry(workers, [].append)
    for name in ("a", "b"):
        tiny_text_bundle(tmp_path / "models", name)
    models = [open_model(tmp_path / "models", name, 1, engine) for name in ("a", "b")]
    assert batchers.get_batcher(models[0]) is batchers.get_batcher(models[1])
    assert len(batchers._batchers) == 1
    models.clear()
    gc.collect()
    assert not batchers._batchers


def test_micro_batch_over_http_with_concurrent_requests_and_one_bad_text(serving: Serving, models: Path) -> None:
    """Through HTTP: everybody gets their own answer, whoever shares the batch."""
    tiny_text_bundle(models)
    http: TestClient = serving(max_waiting=999)
    texts = [f"the {word} rose {number}" for word in ("cat", "dog", "fish") for number in range(20)]
    alone = [
        http.post("/v1/models/topics:predict", json={"instances": [text]}).json()["predictions"][0] for text in texts
    ]
    answers = http.post("/v1/models/topics:predict", json={"instances": texts}).json()["predictions"]
    np.testing.assert_allclose(answers, alone, atol=1e-5)
