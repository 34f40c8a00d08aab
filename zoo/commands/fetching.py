"""`zoo pull` and `zoo verify`: weights and trunks in the cache, and whether they are whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.backbone import Backbone, Precision, get
from zoo.commands.telling import AS_JSON, aligned, licenses, takes
from zoo.completing import backbones

if TYPE_CHECKING:
    from zoo.progress import Progress
    from zoo.pulling import Failed


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=backbones)
@click.option("--all-of", "library", metavar="LIBRARY", help="All of keras.applications, keras-hub or keras-cv.")
@click.option("--precision", type=click.Choice([str(p) for p in Precision]), help="Default: what the backbone names.")
@click.option("--weights-only", is_flag=True, help="Build no trunk; that needs no TensorFlow.")
@click.option("--lock", is_flag=True, help="Begin graft.lock in this folder where there is none.")
@click.option("--relock", is_flag=True, help="Let what comes now take the place of what graft.lock says.")
@AS_JSON
def pull(
    names: Sequence[str],
    library: str | None,
    precision: str | None,
    weights_only: bool,
    lock: bool,
    relock: bool,
    as_json: bool,
) -> None:
    """Fetch the weights of each NAME and build its trunk, so that later work needs no network.

    graft.lock holds the SHA-256 of what was fetched, for a team to commit: it is the file that GRAFT_LOCK names, or
    graft.lock in this folder or above. Where it is, pull adds to it, and no later fetch takes other bytes.

    A backbone that fails stops none of the others: they are told at the end, with exit status 1. --all-of leaves out,
    and names, what no trunk can be made of.

    \b
    Example:
      zoo pull efficientnet_lite0 --precision int8
      zoo pull --all-of keras.applications --weights-only --lock
    """  # noqa: D301 - click reads the backspace character
    from zoo import lockfile
    from zoo.pulling import all_of, each, to_come
    from zoo.terminal import Terminal

    possible, left_out = all_of(library) if library else ((), {})
    chosen = tuple(dict.fromkeys((*map(get, names), *possible)))
    if not chosen:
        raise click.UsageError("give a NAME, or --all-of LIBRARY. `zoo list` shows what there is.")
    held = _held(lock, relock)
    progress = Terminal()
    if left_out:
        progress.say(_left_out(left_out))
    if len(chosen) > 1:
        progress.say(to_come(chosen))

    done: list[dict[str, Any]] = []

    def one(backbone: Backbone) -> None:
        with lockfile.reopened(held, backbone.name) if relock and held else nullcontext():
            facts = _pull(backbone, None if weights_only else Precision(precision or backbone.precision), progress)
        done.append(facts)
        if not as_json:
            click.echo(aligned([*_told(facts), *licenses(backbone)]))

    failed = each(chosen, one)
    if as_json:
        errors = [{"name": bad.name, "error": type(bad.error).__name__, "why": str(bad.error)} for bad in failed]
        click.echo(json.dumps({"pulled": done, "failed": errors, "left_out": left_out}, indent=2))
    elif len(chosen) == 1 and failed:
        raise failed[0].error
    elif failed:
        _tell(failed, len(chosen))
    if failed:
        sys.exit(1)


def _held(lock: bool, relock: bool) -> Path | None:
    """Return the lock file that is written; None where there is none."""
    from zoo import lockfile

    held = lockfile.begin() if lock else lockfile.place()
    if relock and held is None:
        raise click.UsageError("--relock changes a graft.lock, and there is none here or above. --lock begins one.")
    return held


def _pull(backbone: Backbone, precision: Precision | None, progress: Progress) -> dict[str, Any]:
    """Pull one backbone, and return what came of it."""
    from zoo import weights
    from zoo.presets import filled
    from zoo.pulling import pulled

    if precision is Precision.INT8 and backbone.precision is not Precision.INT8:
        progress.say(
            f"note: int8 of {backbone.name} is {backbone.int8}; compare its accuracy with fp32 before you use it."
        )
    found = pulled(backbone, precision, progress)
    size = found.facts["bytes"] if found else sum(part.path.stat().st_size for part in weights.parts(backbone))
    path = found.path if found else weights.path_of(backbone)
    known = filled(backbone, found.facts) if found else backbone
    facts = {"name": backbone.name, "precision": precision, "input": takes(known), "width": known.width}
    return facts | {"bytes": size, "path": str(path)}


def _told(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    size = f"{facts['bytes'] / 1e6:.1f} MB"
    if facts["precision"] is None:
        return [("pulled", facts["name"]), ("size", size), ("path", facts["path"])]
    size += f", {facts['input']} -> float32 [n,{facts['width']}]"
    return [("pulled", f"{facts['name']} in {facts['precision']}"), ("size", size), ("path", facts["path"])]


def _left_out(reasons: Mapping[str, str]) -> str:
    return f"{len(reasons)} left out, because no trunk can be made of them:\n{aligned(list(reasons.items()))}\n"


def _tell(failed: Sequence[Failed], tried: int) -> None:
    rows = [(bad.name, type(bad.error).__name__, " ".join(str(bad.error).split())) for bad in failed]
    click.echo(f"\n{len(failed)} of {tried} failed:\n{aligned([('NAME', 'ERROR', 'WHY'), *rows])}", err=True)
    click.echo(f"Try these again, with the same options: zoo pull {' '.join(bad.name for bad in failed)}", err=True)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=backbones)
@AS_JSON
def verify(names: Sequence[str], as_json: bool) -> None:
    """Hash what is cached once more and compare with what is on record and in graft.lock; of each NAME, or of all.

    Exit status 1 tells that something is damaged, or not what graft.lock says.

    \b
    Example:
      zoo verify
    """  # noqa: D301 - click reads the backspace character
    from zoo.terminal import Terminal
    from zoo.verify import State
    from zoo.verify import verify as check

    found = check([get(name) for name in names], Terminal())
    wrong = [item for item in found if not item.whole]
    if as_json:
        click.echo(json.dumps([asdict(item) | {"whole": item.whole} for item in found], indent=2))
    elif not found:
        of_these = f" of {', '.join(names)}" if names else ""
        click.echo(f"nothing{of_these} is cached yet; `zoo pull NAME` fetches.")
    else:
        shown = {State.FINE: "fine", State.DAMAGED: "DAMAGED", State.DIFFERS: "DIFFERS"}
        click.echo(aligned([(shown[i.state], i.kind, i.trust, i.name, i.path) for i in found]))
    if any(item.state is State.DIFFERS for item in wrong):
        click.echo("What DIFFERS is not what graft.lock says; to take it on purpose: zoo pull NAME --relock", err=True)
    if wrong:
        redo = " ".join(sorted({item.name for item in wrong}))
        click.echo(f"{len(wrong)} of {len(found)}: damaged or different. Make again with: zoo pull {redo}", err=True)
        sys.exit(1)
