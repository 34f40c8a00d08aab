"""`zoo pull`: download weights into the cache and build their trunks."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.find import get_backbone
from zoo.cli.format import JSON_OPTION, align_columns, describe_input, license_rows
from zoo.cli.options import complete_backbones

if TYPE_CHECKING:
    from graft.progress import Progress
    from zoo.manage.pull_many import PullFailure


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_backbones)
@click.option(
    "--all-of", "library", metavar="LIBRARY", help="All backbones of keras.applications, keras-hub or keras-cv."
)
@click.option("--precision", type=click.Choice([str(p) for p in Precision]), help="Default: that of the backbone.")
@click.option("--weights-only", is_flag=True, help="Build no trunk, so that no TensorFlow is needed.")
@click.option("--lock", is_flag=True, help="Create graft.lock in this folder if there is none.")
@click.option("--relock", is_flag=True, help="Replace the entries in graft.lock by what is downloaded now.")
@JSON_OPTION
def pull(
    names: Sequence[str],
    library: str | None,
    precision: str | None,
    weights_only: bool,
    lock: bool,
    relock: bool,
    as_json: bool,
) -> None:
    """Download the weights of each NAME and build its trunk, so that later work needs no network.

    graft.lock is a lock file with the SHA-256 of what was downloaded, for a team to commit: the file that GRAFT_LOCK
    names, or graft.lock in this folder or above. If it exists, pull adds to it, and later downloads must match it.

    A backbone that fails does not stop the others: failures are listed at the end, with exit status 1. --all-of leaves
    out, and lists, backbones that no trunk can be built of.

    \b
    Example:
      zoo pull efficientnet_lite0 --precision int8
      zoo pull --all-of keras.applications --weights-only --lock
    """  # noqa: D301 - click reads the backspace character
    from graft.progress.terminal import TerminalProgress
    from zoo.manage.pull_many import download_summary, pull_many, select_library
    from zoo.weights import lockfile

    buildable, left_out = select_library(library) if library else ((), {})
    chosen = tuple(dict.fromkeys((*map(get_backbone, names), *buildable)))
    if not chosen:
        raise click.UsageError("give a NAME, or --all-of LIBRARY. `zoo list` shows the backbones.")
    lock_path = _lockfile_to_write(lock, relock)
    progress = TerminalProgress()
    if left_out:
        progress.log(_left_out_message(left_out))
    if len(chosen) > 1:
        progress.log(download_summary(chosen))

    results: list[dict[str, Any]] = []

    def pull_backbone(backbone: Backbone) -> None:
        with lockfile.unlock_entry(lock_path, backbone.name) if relock and lock_path else nullcontext():
            facts = _pull_one(backbone, None if weights_only else Precision(precision or backbone.precision), progress)
        results.append(facts)
        if not as_json:
            click.echo(align_columns([*_pull_rows(facts), *license_rows(backbone)]))

    failed = pull_many(chosen, pull_backbone)
    if as_json:
        errors = [{"name": one.name, "error": type(one.error).__name__, "why": str(one.error)} for one in failed]
        click.echo(json.dumps({"pulled": results, "failed": errors, "left_out": left_out}, indent=2))
    elif len(chosen) == 1 and failed:
        raise failed[0].error
    elif failed:
        _report_failures(failed, len(chosen))
    if failed:
        sys.exit(1)


def _lockfile_to_write(lock: bool, relock: bool) -> Path | None:
    """Return the lock file to write; None if there is none."""
    from zoo.weights import lockfile

    lock_path = lockfile.create_lockfile() if lock else lockfile.find_lockfile()
    if relock and lock_path is None:
        raise click.UsageError("--relock changes a graft.lock, and there is none here or above. --lock creates one.")
    return lock_path


def _pull_one(backbone: Backbone, precision: Precision | None, progress: Progress) -> dict[str, Any]:
    """Pull one backbone, and return the facts to report."""
    from zoo.manage.pull_many import pull_one
    from zoo.trunks.trunk_cache import fill_from_trunk
    from zoo.weights import weights_cache

    if precision is Precision.INT8 and backbone.precision is not Precision.INT8:
        progress.log(
            f"note: int8 of {backbone.name} is {backbone.int8}; compare its accuracy with fp32 before you use it."
        )
    trunk = pull_one(backbone, precision, progress)
    if trunk:
        size, path, resolved = trunk.facts["bytes"], trunk.path, fill_from_trunk(backbone, trunk.facts)
    else:
        size = sum(file.path.stat().st_size for file in weights_cache.weights_files(backbone))
        path, resolved = weights_cache.weights_path(backbone), backbone
    facts = {"name": backbone.name, "precision": precision, "input": describe_input(resolved), "width": resolved.width}
    return facts | {"bytes": size, "path": str(path)}


def _pull_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    size = f"{facts['bytes'] / 1e6:.1f} MB"
    if facts["precision"] is None:
        return [("pulled", facts["name"]), ("size", size), ("path", facts["path"])]
    size += f", {facts['input']} -> float32 [n,{facts['width']}]"
    return [("pulled", f"{facts['name']} in {facts['precision']}"), ("size", size), ("path", facts["path"])]


def _left_out_message(reasons: Mapping[str, str]) -> str:
    return f"{len(reasons)} left out, because no trunk can be built of them:\n{align_columns(list(reasons.items()))}\n"


def _report_failures(failed: Sequence[PullFailure], total: int) -> None:
    rows = [(one.name, type(one.error).__name__, " ".join(str(one.error).split())) for one in failed]
    click.echo(f"\n{len(failed)} of {total} failed:\n{align_columns([('NAME', 'ERROR', 'WHY'), *rows])}", err=True)
    click.echo(f"Try these again, with the same options: zoo pull {' '.join(one.name for one in failed)}", err=True)
