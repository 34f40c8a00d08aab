"""Local model of `predict`: inference in this process, without a server, on all cores.

Images go through decoder, trunk and head one by one, one thread a core: batches of them gain nothing on a CPU. Texts
are tokenized some thousands ahead and go through the trunk in batches of similar length, which need little padding.
Only samples in progress are in memory, so a hundred thousand files need no more of it than a thousand.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

from graft.bundle.manifest import SampleKind
from graft.bundle.repository import MODEL_NAME_PATTERN, model_names, versions_newest_first
from graft.errors import GraftError, InputError, NotReady, UnknownModel
from graft.inputs.open_input import SampleArray as Array
from graft.runtime.cpu_threads import available_cores, batched, map_ordered, thread_pool
from graft.runtime.device import Device
from service.answers import build_answers
from service.models.engine import OnnxEngine
from service.models.model import Model, open_model
from service.predict.inputs import PredictSample
from service.predict.run import NumberedOutcome, PredictionOutcome

IMAGES_PER_TASK: Final = 8  # decoded and run by one task of a thread
TEXTS_PER_TASK: Final = 64  # read and tokenized by one task of a thread
TASKS_PER_WINDOW: Final = 64  # tasks whose texts are sorted by length together
MAX_BATCH_TEXTS: Final = 8  # in one run of the trunk: faster than 16 or 32 (benchmarks/reuters.py)
NumberedTokens = tuple[int, Array | InputError]


class LocalModel:
    """A predictor that runs a model in this process."""

    def __init__(self, model: Model) -> None:
        """Predict with `model`.

        Raises:
            BadRequest: it has no head.
        """
        model.require_head()
        self._model = model
        self.name, self.version = model.name, model.version
        self.task, self.labels = model.manifest.task, model.manifest.labels
        self.can_answer_unknown = "novelty" in model.manifest.head
        self.sample_kind: SampleKind = model.manifest.sample_kind

    def predict_samples(
        self, samples: Iterable[PredictSample], count: int, top: int
    ) -> Generator[list[NumberedOutcome], None, None]:
        """Yield the outcomes of `count` samples: of images in order, of texts in windows of some thousands."""
        if self.sample_kind == "image":
            return self._predict_images(samples, count, top)
        return self._predict_texts(samples, count, top)

    def _predict_images(
        self, samples: Iterable[PredictSample], count: int, top: int
    ) -> Generator[list[NumberedOutcome], None, None]:
        def predict_task(samples: list[tuple[int, PredictSample]]) -> list[NumberedOutcome]:
            return [(number, self._predict_image(sample, top)) for number, sample in samples]

        share = max(1, min(IMAGES_PER_TASK, count // (8 * available_cores())))  # few images are spread over all cores
        with thread_pool() as pool:
            yield from map_ordered(pool, predict_task, batched(enumerate(samples), share), 4 * available_cores())

    def _predict_image(self, sample: PredictSample, top: int) -> PredictionOutcome:
        model = self._model
        try:
            arrays = model.decode_to_batch(sample.to_bytes(self.sample_kind))
        except InputError as fault:
            return fault
        return build_answers(model.manifest, model.scores(model.features(arrays)), top)[0]

    def _predict_texts(
        self, samples: Iterable[PredictSample], count: int, top: int
    ) -> Generator[list[NumberedOutcome], None, None]:
        def predict_task(batch: list[NumberedTokens]) -> list[NumberedOutcome]:
            return self._predict_batch(batch, top)

        batch_size = max(1, min(MAX_BATCH_TEXTS, count // available_cores()))  # few texts are spread over all cores
        with thread_pool() as pool:
            # One window is tokenized while the one before it goes through the trunk.
            tasks = batched(enumerate(samples), TEXTS_PER_TASK)
            tokenized = map_ordered(pool, self._tokenize_samples, tasks, TASKS_PER_WINDOW)
            batches = _batch_by_length(batched(tokenized, TASKS_PER_WINDOW), batch_size)
            yield from map_ordered(pool, predict_task, batches, 2 * available_cores())

    def _tokenize_samples(self, samples: list[tuple[int, PredictSample]]) -> list[NumberedTokens]:
        return [(number, self._tokenize(sample)) for number, sample in samples]

    def _tokenize(self, sample: PredictSample) -> Array | InputError:
        try:
            return self._model.decode_sample(sample.to_bytes(self.sample_kind))
        except InputError as fault:
            return fault

    def _predict_batch(self, texts: list[NumberedTokens], top: int) -> list[NumberedOutcome]:
        """Return the errors of texts that could not be tokenized, and the answers to all others, run in one batch."""
        model = self._model
        outcomes: list[NumberedOutcome] = [(number, fault) for number, fault in texts if isinstance(fault, InputError)]
        ready = [(number, ids) for number, ids in texts if not isinstance(ids, InputError)]
        if ready:
            scores = model.scores(model.features(model.inputs.batch([ids for _, ids in ready])))
            outcomes += zip((number for number, _ in ready), build_answers(model.manifest, scores, top), strict=True)
        return outcomes


def open_newest_model(folder: Path, name: str, device: Device, warn: Callable[[str], None]) -> Model:
    """Open the newest good version of a model; why newer ones were refused is passed to `warn`.

    Raises:
        UnknownModel: the repository `folder` has no such model.
        NotReady: every version of it was refused.
        DeviceMissing: this machine does not have `device`.
    """
    engine, refusals = OnnxEngine(device), []
    for version in versions_newest_first(folder, name) if MODEL_NAME_PATTERN.fullmatch(name) else ():
        try:
            model = open_model(folder, name, version, engine)
        except GraftError as fault:
            refusals.append(f"version {version}: {fault}")
        else:
            for one in refusals:
                warn(f"refused: {name}, {one} Version {version} is used.")
            return model
    if refusals:
        raise NotReady(f"no version of {name!r} could be loaded: {'; '.join(refusals)}")
    raise _unknown_model_error(folder, name)


def _unknown_model_error(folder: Path, name: str) -> UnknownModel:
    names = model_names(folder)
    matches = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, matches))}? " if matches else ""
    available = f"There are: {', '.join(names)}." if names else "There is none yet; make one with finetune."
    return UnknownModel(f"there is no model {name!r} in {folder}. {hint}{available}")


def _batch_by_length(windows: Iterable[list[list[NumberedTokens]]], size: int) -> Iterator[list[NumberedTokens]]:
    """Split each window into batches of `size` texts: the longest first, so that all threads end at the same time."""
    for window in windows:
        texts = [one for task in window for one in task]
        invalid = [one for one in texts if isinstance(one[1], InputError)]
        if invalid:
            yield invalid
        ready = [one for one in texts if not isinstance(one[1], InputError)]
        ready.sort(key=lambda one: -len(one[1]))  # type: ignore[arg-type]  # only arrays are left
        yield from batched(ready, size)
