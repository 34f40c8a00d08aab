"""A model asked in this process, without a server, on all cores.

Images go through decoder, trunk and head one by one, one thread a core: a batch of them gains nothing on a CPU. Texts
are tokenised some thousands ahead and go through the trunk in batches of like length, which pads little. Bytes and
arrays are held only for what is under way, so a hundred thousand files need no more memory than a thousand.
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

IMAGES_PER_TASK: Final = 8  # that one task of a thread decodes and runs
TEXTS_PER_TASK: Final = 64  # texts that one task reads and tokenises
TASKS_PER_WINDOW: Final = 64  # such tasks whose texts are sorted by length together
MAX_BATCH_TEXTS: Final = 8  # texts that go through the trunk together: faster than 16 or 32 (benchmarks/reuters.py)
NumberedTokens = tuple[int, Array | InputError]


class LocalModel:
    """The newest version of a model that can be served, opened here."""

    def __init__(self, model: Model) -> None:
        """Ask `model`.

        Raises:
            BadRequest: it predicts nothing.
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
        """Yield what the model says: images in order, texts in windows of some thousands."""
        if self.sample_kind == "image":
            return self._predict_images(samples, count, top)
        return self._predict_texts(samples, count, top)

    def _predict_images(
        self, samples: Iterable[PredictSample], count: int, top: int
    ) -> Generator[list[NumberedOutcome], None, None]:
        def predict_task(some: list[tuple[int, PredictSample]]) -> list[NumberedOutcome]:
            return [(number, self._predict_image(sample, top)) for number, sample in some]

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
        def predict_task(some: list[NumberedTokens]) -> list[NumberedOutcome]:
            return self._predict_batch(some, top)

        batch = max(1, min(MAX_BATCH_TEXTS, count // available_cores()))  # few texts are spread over all cores
        with thread_pool() as pool:
            # One window is tokenised while the one before it goes through the trunk.
            tokenised = map_ordered(
                pool, self._tokenize_samples, batched(enumerate(samples), TEXTS_PER_TASK), TASKS_PER_WINDOW
            )
            yield from map_ordered(
                pool, predict_task, _batch_by_length(batched(tokenised, TASKS_PER_WINDOW), batch), 2 * available_cores()
            )

    def _tokenize_samples(self, some: list[tuple[int, PredictSample]]) -> list[NumberedTokens]:
        return [(number, self._tokenize(sample)) for number, sample in some]

    def _tokenize(self, sample: PredictSample) -> Array | InputError:
        try:
            return self._model.decode_sample(sample.to_bytes(self.sample_kind))
        except InputError as fault:
            return fault

    def _predict_batch(self, some: list[NumberedTokens], top: int) -> list[NumberedOutcome]:
        """Answer what has failed already by its failure, and everything else in one batch."""
        model = self._model
        outcomes: list[NumberedOutcome] = [(number, fault) for number, fault in some if isinstance(fault, InputError)]
        ready = [(number, ids) for number, ids in some if not isinstance(ids, InputError)]
        if ready:
            scores = model.scores(model.features(model.inputs.batch([ids for _, ids in ready])))
            outcomes += zip((number for number, _ in ready), build_answers(model.manifest, scores, top), strict=True)
        return outcomes


def open_newest_model(folder: Path, name: str, device: Device, warn: Callable[[str], None]) -> Model:
    """Open the newest version of a model that can be served; what is wrong with a newer one goes to `warn`.

    Raises:
        UnknownModel: the repository `folder` has no such model.
        NotReady: every version of it was refused.
        DeviceMissing: `device` is not here.
    """
    engine, refusals = OnnxEngine(device), []
    for version in versions_newest_first(folder, name) if MODEL_NAME_PATTERN.fullmatch(name) else ():
        try:
            model = open_model(folder, name, version, engine)
        except GraftError as fault:
            refusals.append(f"version {version}: {fault}")
        else:
            for one in refusals:
                warn(f"refused: {name}, {one} Version {version} answers.")
            return model
    if refusals:
        raise NotReady(f"no version of {name!r} could be loaded: {'; '.join(refusals)}")
    raise _unknown_model_error(folder, name)


def _unknown_model_error(folder: Path, name: str) -> UnknownModel:
    known_names = model_names(folder)
    near = difflib.get_close_matches(name, known_names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    available = f"There are: {', '.join(known_names)}." if known_names else "There is none yet; make one with finetune."
    return UnknownModel(f"no model in {folder} is called {name!r}. {hint}{available}")


def _batch_by_length(windows: Iterable[list[list[NumberedTokens]]], size: int) -> Iterator[list[NumberedTokens]]:
    """Cut each window into what one run of the trunk holds: the longest texts first, as a short rest ends together."""
    for window in windows:
        texts = [one for some in window for one in some]
        bad = [one for one in texts if isinstance(one[1], InputError)]
        if bad:
            yield bad
        ready = [one for one in texts if not isinstance(one[1], InputError)]
        ready.sort(key=lambda one: -len(one[1]))  # type: ignore[arg-type]  # what is left are arrays
        yield from batched(ready, size)
