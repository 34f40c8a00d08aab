"""Which models are served: what lies in the repository, verified, replayed, swapped in whole."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from service.engine import Engine
from service.inputs import SharedInputs
from service.model import Model, open_model
from zoo.bundle import folder_names, newest_first
from zoo.errors import GraftError, NotReady, UnknownModel, UnknownVersion

log = logging.getLogger("graft")

Stamp = frozenset[tuple[str, int, int, int]]


@dataclass(frozen=True, slots=True)
class Found:
    """A version on disk and what became of it: served, or refused for a reason."""

    stamp: Stamp
    model: Model | None
    refusal: str | None = None


def _ready(_: Model) -> str:
    return "ready"


class Models:
    """The models of a repository. Reading is safe from any thread; `refresh` is called from one at a time."""

    def __init__(self, folder: Path, engine: Engine, keep: int, prepare: Callable[[Model], str] = _ready) -> None:
        """Serve the `keep` newest good versions of each model in `folder`.

        `prepare` gets each before anybody is answered by it, and returns what to tell of that.
        """
        self._folder, self._engine, self._keep, self._prepare = folder, engine, keep, prepare
        self._inputs = SharedInputs()
        self._left_out: frozenset[str] = frozenset()  # models that were unloaded
        self._found: Mapping[str, Mapping[int, Found]] = MappingProxyType({})
        self.looked = False  # whether the first refresh is over

    def refresh(self) -> None:
        """Look at the disk: load what is new, let go of what was removed, then swap all at once.

        Requests that hold an older version finish with it.

        Raises:
            OSError: the repository cannot be read; everything stays as it was.
        """
        if not self._folder.is_dir():
            raise NotADirectoryError(
                errno.ENOTDIR, "the models folder is gone; what was loaded is still served", str(self._folder)
            )
        wanted = [name for name in folder_names(self._folder) if name not in self._left_out]
        found = {name: found for name in wanted if (found := self._look(name))}
        for name in self._found.keys() - found.keys():
            log.info("gone: %s was %s", name, "unloaded" if name in self._left_out else "removed")
        self._found = MappingProxyType(found)
        self.looked = True

    def leave_out(self, name: str) -> None:
        """Let the next refresh unload a model; it stays away until `take_in`.

        Raises:
            NotReady: models are still being loaded.
            UnknownModel: there is no such model.
        """
        self.status(name)
        self._left_out |= {name}

    def take_in(self, name: str) -> None:
        """Let the next refresh load a model that was unloaded."""
        self._left_out -= {name}

    def check_looked(self) -> None:
        """Pass once the first refresh is over.

        Raises:
            NotReady: models are still being loaded.
        """
        if not self.looked:
            raise NotReady("the models are still being loaded. Try again in a second.")

    def names(self) -> list[str]:
        """Return the names of the models that can be asked, sorted."""
        return [model.name for model in self.newest()]

    def newest(self) -> list[Model]:
        """Return the newest good version of each model, sorted by name."""
        return [model for _, found in sorted(self._found.items()) if (model := _newest(found))]

    def loaded(self) -> int:
        """Return how many versions of models are in memory."""
        return sum(one.model is not None for found in self._found.values() for one in found.values())

    def get(self, name: str, version: str | None = None) -> Model:
        """Return a model: the newest version that is served, or exactly the one asked for.

        Raises:
            NotReady: models are still being loaded, or every version of this one was refused.
            UnknownModel: there is no such model.
            UnknownVersion: the model is served, but not in that version.
        """
        found = self.status(name)
        if (newest := _newest(found)) is None:
            raise NotReady(f"no version of {name!r} could be loaded: {_refusals(found)}")
        if version is None:
            return newest
        served = {str(number): one.model for number, one in found.items() if one.model}
        if (model := served.get(version)) is None:
            raise UnknownVersion(
                f"version {version!r} of {name!r} is not served. Served are {', '.join(sorted(served, key=int))}: "
                f"the newest {self._keep}; start the server with a larger --versions to keep more."
            )
        return model

    def status(self, name: str) -> Mapping[int, Found]:
        """Return what became of each version of a model, newest first.

        Raises:
            NotReady: models are still being loaded.
            UnknownModel: there is no such model.
        """
        self.check_looked()
        if name not in self._found:
            there_are = ", ".join(self.names()) or "none yet; make one with finetune"
            raise UnknownModel(f"no model is called {name!r}. There are: {there_are}.")
        return self._found[name]

    def _look(self, name: str) -> Mapping[int, Found]:
        """Go down from a model's newest version until enough good ones are there."""
        found: dict[int, Found] = {}
        for version in newest_first(self._folder, name):
            found[version] = self._load(name, version)
            if sum(one.model is not None for one in found.values()) == self._keep:
                break
        return MappingProxyType(found)

    def _load(self, name: str, version: int) -> Found:
        """Load a version, unless it was loaded or refused before and no file of it has changed since.

        A version that is served already stays, whatever happens to its files.
        """
        before = self._found.get(name, {}).get(version)
        stamp = stamp_of(self._folder / name / str(version))
        if before and stamp == before.stamp:
            return before
        try:
            model = open_model(self._folder, name, version, self._engine, self._inputs)
            prepared = self._prepare(model)
        except GraftError as fault:
            log.error("refused: %s/%s: %s", name, version, fault)
            # Clients see the reason, but not where on the disk the repository is.
            refusal = str(fault).replace(f"{self._folder}/", "")
            return Found(stamp, before.model if before else None, refusal)
        except Exception:  # one bundle, however odd, never takes the others down
            log.exception("refused: %s/%s fails in a way that Graft does not know", name, version)
            return Found(stamp, before.model if before else None, "it fails to load; the server's log has the details.")
        facts, where = model.manifest, f"on {model.grafted.device}"
        told = (facts.task, f"{len(facts.labels)} labels", facts.precision, where, prepared)
        log.info("loaded: %s/%s, %s", name, version, ", ".join(told))
        return Found(stamp, model)


def stamp_of(folder: Path) -> Stamp:
    """Return what tells whether a version's files are still the same, without reading them."""
    with os.scandir(folder) as entries:
        facts = [(entry.name, entry.stat()) for entry in entries]
    return frozenset((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in facts)


def _newest(found: Mapping[int, Found]) -> Model | None:
    return next((one.model for one in found.values() if one.model), None)


def _refusals(found: Mapping[int, Found]) -> str:
    return "; ".join(f"version {number}: {one.refusal}" for number, one in found.items())
