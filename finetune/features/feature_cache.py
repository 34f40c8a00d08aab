"""The feature cache on disk, keyed by sample content, input spec and trunk: one SQLite file per input spec and trunk.

Rows are written atomically, processes may share a file, and Ctrl-C or a power cut costs only the features of
the last seconds. The cache is optional: if it cannot be written, the run continues without it and logs so; a damaged
file is set aside and created anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from graft.progress import Progress
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from graft.types import Float32Array

FLUSH_INTERVAL: Final = 2.0  # seconds between two writes
LOCK_TIMEOUT: Final = 30.0  # seconds to wait for the write of another process


def feature_cache_path(spec: Mapping[str, Any], trunk_sha256: str) -> Path:
    """Return the cache file for an input spec and a trunk."""
    inputs = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    return cache_root() / "features" / f"{trunk_sha256[:32]}-{inputs[:16]}.sqlite"


class FeatureCache:
    """Features float32 [d] by the SHA-256 of the sample's bytes; thread-safe. `progress` receives its warnings."""

    def __init__(self, path: Path, width: int, progress: Progress) -> None:
        self.path, self.width = path, width
        self._progress = progress
        self._lock = threading.Lock()
        self._pending: dict[bytes, Float32Array] = {}
        self._flushed_at = time.monotonic()
        self._database: sqlite3.Connection | None = None
        self._open()

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        if self._database:
            self._database.close()

    def get(self, key: bytes) -> Float32Array | None:
        """Return the features of the sample with the SHA-256 `key`, float32 [d]; None if they are not cached."""
        with self._lock:
            try:
                return self._read(key)
            except sqlite3.Error as fault:
                self._handle_fault(fault)
                return None

    def put(self, key: bytes, features: Float32Array) -> None:
        """Store the features of one sample, float32 [d]; written at the next flush."""
        with self._lock:
            if self._database:
                self._pending[key] = features
            due = time.monotonic() - self._flushed_at > FLUSH_INTERVAL
        if due:
            self.flush()

    def flush(self) -> None:
        """Write pending features."""
        with self._lock:
            pending, self._pending, self._flushed_at = self._pending, {}, time.monotonic()
            if not self._database or not pending:
                return
            rows = [(key, zlib.crc32(data), data) for key, x in pending.items() for data in (x.tobytes(),)]
            try:
                with self._database as transaction:
                    transaction.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?)", rows)
            except sqlite3.Error as fault:
                self._handle_fault(fault)

    def _read(self, key: bytes) -> Float32Array | None:
        if not self._database:
            return None
        row = self._database.execute("SELECT crc, x FROM features WHERE sha256 = ?", (key,)).fetchone()
        if row is None:
            return None
        crc, data = row
        if not isinstance(data, bytes) or len(data) != 4 * self.width or zlib.crc32(data) != crc:
            raise sqlite3.DatabaseError("the checksum of a row is wrong")
        return np.frombuffer(data, np.float32)

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._connect()
        except sqlite3.OperationalError as fault:
            self._report_unusable(fault)
        except sqlite3.DatabaseError as fault:
            self._replace_damaged(fault)
        except OSError as fault:
            self._report_unusable(fault)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT, check_same_thread=False)
        try:
            database.execute("CREATE TABLE IF NOT EXISTS features (sha256 BLOB PRIMARY KEY, crc INTEGER, x BLOB)")
            database.execute("SELECT sha256, crc, x FROM features LIMIT 1").fetchone()
        except BaseException:
            database.close()
            raise
        return database

    def _handle_fault(self, fault: sqlite3.Error) -> None:
        """Continue without the cache, or with a new one, after an error during a run."""
        if self._database:
            self._database.close()
            self._database = None
        if isinstance(fault, sqlite3.OperationalError):
            self._report_unusable(fault)
        else:
            self._replace_damaged(fault)

    def _report_unusable(self, fault: Exception) -> None:
        self._progress.log(
            f"the feature cache {self.path} cannot be used ({fault}); continuing without it. "
            "Free some space, or set GRAFT_CACHE to a writable folder."
        )

    def _replace_damaged(self, fault: Exception) -> None:
        """Set a damaged file aside and create a new one; delete its journal, which must not be replayed into that."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        try:
            with exclusive_lock(self.path):
                os.replace(self.path, aside)
                self.path.with_name(self.path.name + "-journal").unlink(missing_ok=True)
                self._database = self._connect()
        except (OSError, sqlite3.Error) as second:
            self._report_unusable(second)
            return
        self._progress.log(
            f"the feature cache {self.path} is damaged ({fault}): set aside as {aside.name} and created anew."
        )
