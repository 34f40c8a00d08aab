"""Resume: the folder of a deeper run in the cache, with its checkpoint, named by a hash of recipe and samples."""

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

MAX_AGE: Final = 7 * 24 * 3600  # seconds after which the folder of a stopped run is deleted


@contextmanager
def open_run_folder(plan: Plan, features: Features, head_fit: HeadFit, progress: Progress) -> Iterator[Path]:
    """Lock and yield the folder of this recipe on these samples; it is empty unless the run is resumed.

    Success deletes the folder; a run that stops or fails leaves it behind for `--resume`.

    Raises:
        RecipeError: another process is running the same recipe on the same samples.
    """
    folder = cache_root() / "runs" / _run_hash(plan, features, head_fit)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _delete_old_runs(folder.parent)
    lock = filelock.FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RecipeError(
            "another process is running this very recipe on these samples. Wait for it, or use another --seed."
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
            progress.log("resuming the run that was stopped")
            return
        progress.log(
            "an earlier run of this recipe was stopped before its end and is deleted; --resume would have continued it."
        )
        shutil.rmtree(folder)
    elif resume:
        progress.log("nothing to resume: no run of this recipe on these samples was stopped here. Starting a new one.")
    folder.mkdir(exist_ok=True)


def _run_hash(plan: Plan, features: Features, head_fit: HeadFit) -> str:
    """Return a hash of everything that determines a run, in hex; it does not depend on where the data lie."""
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
    """Delete the folders of runs that were stopped over `MAX_AGE` ago and are not in use."""
    for folder in runs.glob("*/"):
        with suppress(OSError, filelock.Timeout):
            if time.time() - folder.stat().st_mtime > MAX_AGE:
                with filelock.FileLock(folder.with_suffix(".lock"), timeout=0):
                    shutil.rmtree(folder)
