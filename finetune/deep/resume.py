"""Where a deeper run keeps what it needs to go on after it was killed: a folder in the cache, named by what it does."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import filelock

from finetune.features.extract import Features
from finetune.head.fit import HeadFit
from finetune.plan import Plan
from graft.errors import RecipeError
from graft.progress import Progress
from graft.storage.cache_root import cache_root

MAX_AGE: Final = 7 * 24 * 3600  # seconds after which nobody is expected to go on with a run


@contextmanager
def open_run_folder(plan: Plan, features: Features, head_fit: HeadFit, progress: Progress) -> Iterator[Path]:
    """Give the folder of the run of this recipe on these samples, this run's alone; empty unless it is resumed.

    What ends well leaves nothing; what is stopped or fails leaves the folder.

    Raises:
        RecipeError: the same run is under way in another process.
    """
    folder = cache_root() / "runs" / _run_hash(plan, features, head_fit)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _delete_old_runs(folder.parent)
    lock = filelock.FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RecipeError(
            "the very same run is under way in another process. Wait for it, or take another --seed."
        ) from None
    try:
        _prepare_folder(folder, plan.recipe.resume, progress)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
        if not folder.exists():
            Path(lock.lock_file).unlink(missing_ok=True)


def _prepare_folder(folder: Path, resume: bool, progress: Progress) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        if resume:
            progress.log("going on with the run that was stopped")
            return
        progress.log("a run of this recipe was stopped before its end and is begun anew; --resume would have gone on.")
        shutil.rmtree(folder)
    elif resume:
        progress.log("nothing to resume: no run of this recipe on these samples was stopped here. It begins.")
    folder.mkdir(exist_ok=True)


def _run_hash(plan: Plan, features: Features, head_fit: HeadFit) -> str:
    """Return a hash of all that decides what a run does, in hex; where the data lie does not matter."""
    recipe = plan.recipe
    facts: dict[str, Any] = {
        "backbone": plan.backbone.name,
        "precision": str(plan.precision),
        "task": str(plan.dataset.task),
        "depth": str(recipe.depth),
        "training": asdict(recipe.training),
        "budget": recipe.budget,
        "seed": recipe.seed,
        "texts": plan.dataset.texts_per_sample,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    parts = head_fit.split.parts.tolist() if head_fit.split else []
    for sha256, sample, part in zip(features.sha256, features.samples, parts, strict=True):
        digest.update(sha256 + json.dumps([sample.label, part]).encode())
    return digest.hexdigest()[:32]


def _delete_old_runs(runs: Path) -> None:
    """Delete folders of runs that were stopped long ago."""
    for folder in runs.glob("*/"):
        with suppress(OSError, filelock.Timeout):
            if time.time() - folder.stat().st_mtime > MAX_AGE:
                with filelock.FileLock(folder.with_suffix(".lock"), timeout=0):
                    shutil.rmtree(folder)
