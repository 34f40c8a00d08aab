"""Which models are served: what lies in the repository, verified, replayed, swapped in whole.

The order of versions: once a newer version of a model has answered, no older one does.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from graft.bundle.repository import model_folder_names, versions_newest_first
from graft.errors import GraftError, NotReady, UnknownModel, UnknownVersion
from service.models.engine import Engine, InputCache
from service.models.model import Model, open_model

log = logging.getLogger("graft")

VersionFingerprint = frozenset[tuple[str, int, int, int]]


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A version on disk and what became of it: served, or refused for a reason."""

    fingerprint: VersionFingerprint
    model: Model | None
    refusal: str | None = None


def _report_ready(_: Model) -> str:
    return "ready"


class ModelRegistry:
    """The models of a repository. Reading is safe from any thread; `refresh` is called from one at a time."""

    def __init__(
        self, folder: Path, engine: Engine, max_versions: int, prepare: Callable[[Model], str] = _report_ready
    ) -> None:
        """Serve the `max_versions` newest good versions of each model in `folder`.

        `prepare` gets each before anybody is answered by it, and returns what to tell of that.
        """
        self._folder, self._engine, self._max_versions, self._prepare = folder, engine, max_versions, prepare
        self._input_cache = InputCache()
        self._disabled_names: frozenset[str] = frozenset()  # models that were unloaded
        self._entries: Mapping[str, Mapping[int, VersionEntry]] = MappingProxyType({})
        self.is_scanned = False  # whether the first refresh is over

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
        wanted = [name for name in model_folder_names(self._folder) if name not in self._disabled_names]
        found = {name: found for name in wanted if (found := self._scan_versions(name))}
        for name in self._entries.keys() - found.keys():
            log.info("gone: %s was %s", name, "unloaded" if name in self._disabled_names else "removed")
        self._entries = MappingProxyType(found)
        self.is_scanned = True

    def disable(self, name: str) -> None:
        """Let the next refresh unload a model; it stays away until `enable`.

        Raises:
            NotReady: models are still being loaded.
            UnknownModel: there is no such model.
        """
        self.get_entries(name)
        self._disabled_names |= {name}

    def enable(self, name: str) -> None:
        """Let the next refresh load a model that was unloaded."""
        self._disabled_names -= {name}

    def require_scanned(self) -> None:
        """Pass once the first refresh is over.

        Raises:
            NotReady: models are still being loaded.
        """
        if not self.is_scanned:
            raise NotReady("the models are still being loaded. Try again in a second.")

    def names(self) -> list[str]:
        """Return the names of the models that can be asked, sorted."""
        return [model.name for model in self.newest_models()]

    def newest_models(self) -> list[Model]:
        """Return the newest good version of each model, sorted by name."""
        return [model for _, found in sorted(self._entries.items()) if (model := _newest_model(found))]

    def count_loaded(self) -> int:
        """Return how many versions of models are in memory."""
        return sum(one.model is not None for found in self._entries.values() for one in found.values())

    def get(self, name: str, version: str | None = None) -> Model:
        """Return a model: the newest version that is served, or exactly the one asked for.

        Raises:
            NotReady: models are still being loaded, or every version of this one was refused.
            UnknownModel: there is no such model.
            UnknownVersion: the model is served, but not in that version.
        """
        found = self.get_entries(name)
        if (newest := _newest_model(found)) is None:
            raise NotReady(f"no version of {name!r} could be loaded: {_describe_refusals(found)}")
        if version is None:
            return newest
        served = {str(number): one.model for number, one in found.items() if one.model}
        if (model := served.get(version)) is None:
            raise UnknownVersion(
                f"version {version!r} of {name!r} is not served. Served are {', '.join(sorted(served, key=int))}: "
                f"the newest {self._max_versions}; start the server with a larger --versions to keep more."
            )
        return model

    def get_entries(self, name: str) -> Mapping[int, VersionEntry]:
        """Return what became of each version of a model, newest first.

        Raises:
            NotReady: models are still being loaded.
            UnknownModel: there is no such model.
        """
        self.require_scanned()
        if name not in self._entries:
            there_are = ", ".join(self.names()) or "none yet; make one with finetune"
            raise UnknownModel(f"no model is called {name!r}. There are: {there_are}.")
        return self._entries[name]

    def _scan_versions(self, name: str) -> Mapping[int, VersionEntry]:
        """Go down from a model's newest version until enough good ones are there."""
        found: dict[int, VersionEntry] = {}
        for version in versions_newest_first(self._folder, name):
            found[version] = self._load_version(name, version)
            if sum(one.model is not None for one in found.values()) == self._max_versions:
                break
        return MappingProxyType(found)

    def _load_version(self, name: str, version: int) -> VersionEntry:
        """Load a version, unless it was loaded or refused before and no file of it has changed since.

        A version that is served already stays, whatever happens to its files.
        """
        before = self._entries.get(name, {}).get(version)
        stamp = fingerprint_files(self._folder / name / str(version))
        if before and stamp == before.fingerprint:
            return before
        try:
            model = open_model(self._folder, name, version, self._engine, self._input_cache)
            prepared = self._prepare(model)
        except GraftError as fault:
            log.error("refused: %s/%s: %s", name, version, fault)
            # Clients see the reason, but not where on the disk the repository is.
            refusal = str(fault).replace(f"{self._folder}/", "")
            return VersionEntry(stamp, before.model if before else None, refusal)
        except Exception:  # one bundle, however odd, never takes the others down
            log.exception("refused: %s/%s fails in a way that Graft does not know", name, version)
            return VersionEntry(
                stamp, before.model if before else None, "it fails to load; the server's log has the details."
            )
        facts, where = model.manifest, f"on {model.graphs.device}"
        description = (facts.task, f"{len(facts.labels)} labels", facts.precision, where, prepared)
        log.info("loaded: %s/%s, %s", name, version, ", ".join(description))
        return VersionEntry(stamp, model)


def fingerprint_files(folder: Path) -> VersionFingerprint:
    """Return what tells whether a version's files are still the same, without reading them."""
    with os.scandir(folder) as entries:
        facts = [(entry.name, entry.stat()) for entry in entries]
    return frozenset((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in facts)


def _newest_model(found: Mapping[int, VersionEntry]) -> Model | None:
    return next((one.model for one in found.values() if one.model), None)


def _describe_refusals(found: Mapping[int, VersionEntry]) -> str:
    return "; ".join(f"version {number}: {one.refusal}" for number, one in found.items())


class VersionOrder:
    """Counts the requests under way by model and version; belongs to one event loop."""

    def __init__(self) -> None:
        self._active_requests: Counter[tuple[str, int]] = Counter()
        self._request_end = asyncio.Event()

    def begin_request(self, name: str, version: int) -> None:
        """Count a request that this version of a model answers."""
        self._active_requests[name, version] += 1

    def end_request(self, name: str, version: int) -> None:
        """Count it no more: its answer is there, or it failed."""
        self._active_requests[name, version] -= 1
        if not self._active_requests[name, version]:
            del self._active_requests[name, version]
            self._request_end.set()

    async def wait_for_older_versions(self, name: str, version: int) -> None:
        """Return when no older version of the model has a request under way."""
        await self._wait_while(lambda one, older: one == name and older < version)

    async def wait_for_all_requests(self, name: str) -> None:
        """Return when no version of the model has a request under way."""
        await self._wait_while(lambda one, _: one == name)

    async def _wait_while(self, is_blocking: Callable[[str, int], bool]) -> None:
        while any(is_blocking(*one) for one in self._active_requests):
            self._request_end.clear()
            await self._request_end.wait()


class ModelLease:
    """`async with`: gives the model of a request, and is left when no older version has an answer to give.

    A class, as it is entered for every request: `asynccontextmanager` takes three times as long.
    """

    __slots__ = ("_model", "_order")

    def __init__(self, order: VersionOrder, model: Model) -> None:
        self._order, self._model = order, model

    async def __aenter__(self) -> Model:
        self._order.begin_request(self._model.name, self._model.version)
        return self._model

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._order.end_request(self._model.name, self._model.version)
        if kind is None:
            await self._order.wait_for_older_versions(self._model.name, self._model.version)
