"""Model registry: which versions of which models are served, hot reload, and leases of a model to a request.

New versions in the repository are verified, replayed and then swapped in whole. A lease keeps versions in order: once a
newer version of a model has answered, no older one does.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from graft.bundle.repository import model_folder_names, versions_newest_first
from graft.errors import GraftError, NotReady, UnknownModel, UnknownVersion
from service.models.engine import Engine, InputCache
from service.models.model import Model, open_model

log = logging.getLogger("graft")

VersionFingerprint = frozenset[tuple[str, int, int, int]]  # of each file: name, inode, size, modification time


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A version on disk: loaded, or refused for a reason."""

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

        `prepare` is called with each before it is served, and returns a note for the log.
        """
        self._folder, self._engine, self._max_versions, self._prepare = folder, engine, max_versions, prepare
        self._input_cache = InputCache()
        self._disabled_names: frozenset[str] = frozenset()  # models that were unloaded
        self._entries: Mapping[str, Mapping[int, VersionEntry]] = MappingProxyType({})
        self.version_order = VersionOrder()
        self.is_scanned = False  # whether the first refresh is over

    def refresh(self) -> None:
        """Scan the repository: load new versions, drop removed ones, then swap all at once.

        Running requests finish with the version that they have.

        Raises:
            OSError: the repository cannot be read; everything stays as it was.
        """
        if not self._folder.is_dir():
            raise NotADirectoryError(
                errno.ENOTDIR, "the models folder is missing; the loaded models are still served", str(self._folder)
            )
        names = [name for name in model_folder_names(self._folder) if name not in self._disabled_names]
        entries = {name: versions for name in names if (versions := self._scan_versions(name))}
        for name in self._entries.keys() - entries.keys():
            log.info("%s: %s", "unloaded" if name in self._disabled_names else "removed", name)
        self._entries = MappingProxyType(entries)
        self.is_scanned = True

    def disable(self, name: str) -> None:
        """Let the next refresh unload a model; it stays unloaded until `enable`.

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
        """Check that the first refresh is over.

        Raises:
            NotReady: models are still being loaded.
        """
        if not self.is_scanned:
            raise NotReady("the models are still being loaded. Try again in a second.")

    def names(self) -> list[str]:
        """Return the names of the models that are served, sorted."""
        return [model.name for model in self.newest_models()]

    def newest_models(self) -> list[Model]:
        """Return the newest good version of each model, sorted by name."""
        return [model for _, versions in sorted(self._entries.items()) if (model := _newest_model(versions))]

    def count_loaded(self) -> int:
        """Return the number of model versions in memory."""
        return sum(one.model is not None for versions in self._entries.values() for one in versions.values())

    def get(self, name: str, version: str | None = None) -> Model:
        """Return the newest version of a model that is served, or the requested one.

        Raises:
            NotReady: models are still being loaded, or every version of this one was refused.
            UnknownModel: there is no such model.
            UnknownVersion: the model is served, but not in that version.
        """
        versions = self.get_entries(name)
        if (newest := _newest_model(versions)) is None:
            raise NotReady(f"no version of {name!r} could be loaded: {_describe_refusals(versions)}")
        if version is None:
            return newest
        served = {str(number): one.model for number, one in versions.items() if one.model}
        if (model := served.get(version)) is None:
            raise UnknownVersion(
                f"version {version!r} of {name!r} is not served. Served are {', '.join(sorted(served, key=int))}: "
                f"the newest {self._max_versions}; start the server with a larger --versions to keep more."
            )
        return model

    def lease(self, name: str, version: str | None = None) -> AbstractAsyncContextManager[Model]:
        """Lease a model to a request whose body has arrived: `async with registry.lease(name) as model`.

        Leave the block with the response at hand. Without `version` the newest one is leased, and leaving waits until
        older versions have answered their requests: after a response of one version there is none of an older one.

        Raises:
            NotReady, UnknownModel, UnknownVersion: as `get` does.
        """
        model = self.get(name, version)
        return nullcontext(model) if version is not None else ModelLease(self.version_order, model)

    def get_entries(self, name: str) -> Mapping[int, VersionEntry]:
        """Return the versions of a model on disk, loaded or refused, newest first.

        Raises:
            NotReady: models are still being loaded.
            UnknownModel: there is no such model.
        """
        self.require_scanned()
        if name not in self._entries:
            available = ", ".join(self.names()) or "none yet; make one with finetune"
            raise UnknownModel(f"there is no model {name!r}. There are: {available}.")
        return self._entries[name]

    def _scan_versions(self, name: str) -> Mapping[int, VersionEntry]:
        """Load a model's versions from the newest down until enough good ones are loaded."""
        versions: dict[int, VersionEntry] = {}
        for version in versions_newest_first(self._folder, name):
            versions[version] = self._load_version(name, version)
            if sum(one.model is not None for one in versions.values()) == self._max_versions:
                break
        return MappingProxyType(versions)

    def _load_version(self, name: str, version: int) -> VersionEntry:
        """Load a version, unless it was loaded or refused before and none of its files has changed since.

        A version that is served already stays, whatever happens to its files.
        """
        before = self._entries.get(name, {}).get(version)
        fingerprint = fingerprint_files(self._folder / name / str(version))
        if before and fingerprint == before.fingerprint:
            return before
        try:
            model = open_model(self._folder, name, version, self._engine, self._input_cache)
            note = self._prepare(model)
        except GraftError as fault:
            log.error("refused: %s/%s: %s", name, version, fault)
            # Clients see the reason, but not where on the disk the repository is.
            refusal = str(fault).replace(f"{self._folder}/", "")
            return VersionEntry(fingerprint, before.model if before else None, refusal)
        except Exception:  # a bundle, however broken, never takes the others down
            log.exception("refused: %s/%s failed to load with an unexpected error", name, version)
            refusal = "it failed to load; the server's log has the details."
            return VersionEntry(fingerprint, before.model if before else None, refusal)
        manifest, device = model.manifest, f"on {model.graphs.device}"
        description = (manifest.task, f"{len(manifest.labels)} labels", manifest.precision, device, note)
        log.info("loaded: %s/%s, %s", name, version, ", ".join(description))
        return VersionEntry(fingerprint, model)


class VersionOrder:
    """Counts the running requests of each model and version; belongs to one event loop."""

    def __init__(self) -> None:
        self._running_requests: Counter[tuple[str, int]] = Counter()
        self._request_end = asyncio.Event()

    @property
    def running_requests(self) -> int:
        """How many requests are running, of all models."""
        return self._running_requests.total()

    def begin_request(self, name: str, version: int) -> None:
        """Count a request that this version of a model is to answer."""
        self._running_requests[name, version] += 1

    def end_request(self, name: str, version: int) -> None:
        """Count it no more: it is answered, or it failed."""
        self._running_requests[name, version] -= 1
        if not self._running_requests[name, version]:
            del self._running_requests[name, version]
            self._request_end.set()

    async def wait_for_older_versions(self, name: str, version: int) -> None:
        """Return when no older version of the model has a running request."""
        await self._wait_while(lambda one, older: one == name and older < version)

    async def wait_for_all_requests(self, name: str) -> None:
        """Return when no version of the model has a running request."""
        await self._wait_while(lambda one, _: one == name)

    async def _wait_while(self, is_blocking: Callable[[str, int], bool]) -> None:
        while any(is_blocking(*one) for one in self._running_requests):
            self._request_end.clear()
            await self._request_end.wait()


class ModelLease:
    """An async context manager that gives the model of one request; leaving it waits for older versions.

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


def fingerprint_files(folder: Path) -> VersionFingerprint:
    """Return a fingerprint of a version's files that changes when they do, without reading them."""
    with os.scandir(folder) as entries:
        facts = [(entry.name, entry.stat()) for entry in entries]
    return frozenset((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in facts)


def _newest_model(versions: Mapping[int, VersionEntry]) -> Model | None:
    return next((one.model for one in versions.values() if one.model), None)


def _describe_refusals(versions: Mapping[int, VersionEntry]) -> str:
    return "; ".join(f"version {number}: {one.refusal}" for number, one in versions.items())
