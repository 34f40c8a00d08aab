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

from service.engine import OnnxEngine
from service.model import Model, open_model
from service.packing import Takes
from service.predicting import Numbered, Said
from service.readings import read
from service.samples import Sample
from zoo.bundle import model_names, newest_first
from zoo.cores import cores
from zoo.device import Device
from zoo.errors import GraftError, InputError, NotReady, UnknownModel
from zoo.inputs import Sample as Array
from zoo.names import NAME
from zoo.pool import crew, cut, done_by

IMAGES: Final = 8  # that one task of a thread decodes and runs
READ: Final = 64  # texts that one task reads and tokenises
WINDOW: Final = 64  # such tasks whose texts are sorted by length together
BATCH: Final = 8  # texts that go through the trunk together: faster than 16 or 32 (benchmarks/reuters.py)
Ready = tuple[int, Array | InputError]


class Offline:
    """The newest version of a model that can be served, opened here."""

    def __init__(self, model: Model) -> None:
        """Ask `model`.

        Raises:
            BadRequest: it predicts nothing.
        """
        model.check_predicts()
        self._model = model
        self.name, self.version = model.name, model.version
        self.task, self.labels = model.manifest.task, model.manifest.labels
        self.rejects = "novelty" in model.manifest.head
        spec = model.manifest.input
        self.takes: Takes = "image" if spec["kind"] != "text" else "text" if spec["texts"] == 1 else "pair"

    def answers(self, samples: Iterable[Sample], count: int, top: int) -> Generator[list[Numbered], None, None]:
        """Yield what the model says: images in order, texts in windows of some thousands."""
        if self.takes == "image":
            return self._images(samples, count, top)
        return self._texts(samples, count, top)

    def _images(self, samples: Iterable[Sample], count: int, top: int) -> Generator[list[Numbered], None, None]:
        def work(some: list[tuple[int, Sample]]) -> list[Numbered]:
            return [(number, self._image(sample, top)) for number, sample in some]

        share = max(1, min(IMAGES, count // (8 * cores())))  # few images are spread over all cores
        with crew() as pool:
            yield from done_by(pool, work, cut(enumerate(samples), share), 4 * cores())

    def _image(self, sample: Sample, top: int) -> Said:
        model = self._model
        try:
            arrays = model.decode(sample.bytes(self.takes))
        except InputError as fault:
            return fault
        return read(model.manifest, model.scores(model.features(arrays)), top)[0]

    def _texts(self, samples: Iterable[Sample], count: int, top: int) -> Generator[list[Numbered], None, None]:
        def work(some: list[Ready]) -> list[Numbered]:
            return self._run(some, top)

        batch = max(1, min(BATCH, count // cores()))  # few texts are spread over all cores
        with crew() as pool:
            # One window is tokenised while the one before it goes through the trunk.
            tokenised = done_by(pool, self._tokenised, cut(enumerate(samples), READ), WINDOW)
            yield from done_by(pool, work, _by_length(cut(tokenised, WINDOW), batch), 2 * cores())

    def _tokenised(self, some: list[tuple[int, Sample]]) -> list[Ready]:
        return [(number, self._ids(sample)) for number, sample in some]

    def _ids(self, sample: Sample) -> Array | InputError:
        try:
            return self._model.array(sample.bytes(self.takes))
        except InputError as fault:
            return fault

    def _run(self, some: list[Ready], top: int) -> list[Numbered]:
        """Answer what has failed already by its failure, and everything else in one batch."""
        model = self._model
        said: list[Numbered] = [(number, fault) for number, fault in some if isinstance(fault, InputError)]
        ready = [(number, ids) for number, ids in some if not isinstance(ids, InputError)]
        if ready:
            scores = model.scores(model.features(model.inputs.batch([ids for _, ids in ready])))
            said += zip((number for number, _ in ready), read(model.manifest, scores, top), strict=True)
        return said


def newest(folder: Path, name: str, device: Device, note: Callable[[str], None]) -> Model:
    """Open the newest version of a model that can be served; what is wrong with a newer one goes to `note`.

    Raises:
        UnknownModel: the repository `folder` has no such model.
        NotReady: every version of it was refused.
        DeviceMissing: `device` is not here.
    """
    engine, refusals = OnnxEngine(device), []
    for version in newest_first(folder, name) if NAME.fullmatch(name) else ():
        try:
            model = open_model(folder, name, version, engine)
        except GraftError as fault:
            refusals.append(f"version {version}: {fault}")
        else:
            for one in refusals:
                note(f"refused: {name}, {one} Version {version} answers.")
            return model
    if refusals:
        raise NotReady(f"no version of {name!r} could be loaded: {'; '.join(refusals)}")
    raise _unknown(folder, name)


def _unknown(folder: Path, name: str) -> UnknownModel:
    there_are = model_names(folder)
    near = difflib.get_close_matches(name, there_are, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    listed = f"There are: {', '.join(there_are)}." if there_are else "There is none yet; make one with finetune."
    return UnknownModel(f"no model in {folder} is called {name!r}. {hint}{listed}")


def _by_length(windows: Iterable[list[list[Ready]]], size: int) -> Iterator[list[Ready]]:
    """Cut each window into what one run of the trunk holds: the longest texts first, as a short rest ends together."""
    for window in windows:
        texts = [one for some in window for one in some]
        bad = [one for one in texts if isinstance(one[1], InputError)]
        if bad:
            yield bad
        ready = [one for one in texts if not isinstance(one[1], InputError)]
        ready.sort(key=lambda one: -len(one[1]))  # type: ignore[arg-type]  # what is left are arrays
        yield from cut(ready, size)
