"""`zoo bench`: how fast backbones are on this machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zoo.backbone import Backbone, get
from zoo.commands.speeds import notes, table
from zoo.commands.telling import AS_JSON, aligned
from zoo.completing import backbones, files
from zoo.dead_hosts import waited_for_once
from zoo.errors import GraftError

if TYPE_CHECKING:
    from zoo.bench.machine import Machine
    from zoo.bench.speed import Result
    from zoo.progress import Progress

Measure = Callable[[Backbone], "Result"]
ROUNDS: Final = 7
TOKENS: Final = 128  # where the encoder takes as many


def _picture(_: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """Check, before minutes of measuring, that a picture can be written there."""
    if value is None:
        return None
    path = Path(value)
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise click.BadParameter(f"{value!r} cannot be the picture: name a .png file in a folder that is there.")
    return path


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=backbones)
@click.option("--build", is_flag=True, help="Build the trunk in int8, too, where it is not here.")
@click.option(
    "--random",
    is_flag=True,
    help="Random weights: fair for speed, told in the table, never cached. keras.applications, EfficientNet-Lite only.",
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=ROUNDS, show_default=True, help="Their median counts.")
@click.option("--tokens", type=click.IntRange(2), default=TOKENS, show_default=True, help="Of a text.")
@click.option(
    "--plot",
    metavar="OUT.png",
    callback=_picture,
    shell_complete=files,
    help="Draw the published accuracy of all measured here against their speed.",
)
@AS_JSON
def bench(
    names: Sequence[str], build: bool, random: bool, rounds: int, tokens: int, plot: Path | None, as_json: bool
) -> None:
    """Measure how fast each NAME is on this machine, and remember it; without NAME, show what is remembered.

    Milliseconds for one image, or for one text of --tokens tokens, at batch 1 and 8, on one thread and with as many
    runs side by side as there are cores; fp32, and int8 where its trunk is here, in turns; memory, and the time that
    building took. A trunk that is in neither precision here is pulled first. `zoo list --fast` sorts by the result.

    \b
    Examples:
      zoo bench efficientnet_lite0 mobilenet_v2
      zoo bench $(zoo list --kind image --max-params 10M --names) --build --plot speed.png
      zoo bench resnet50 --random
    """  # noqa: D301 - click reads the backspace character
    from zoo.bench.machine import this_machine
    from zoo.bench.memory import remembered
    from zoo.terminal import Terminal

    if build and random:
        raise click.UsageError("--build makes trunks with real weights, --random with none; choose one.")
    chosen, machine, progress = tuple(dict.fromkeys(map(get, names))), this_machine(), Terminal()
    if chosen:
        with waited_for_once():
            results, failed = _each(chosen, _how(build, random, rounds, tokens, progress), machine, progress)
    else:
        results, failed = list(remembered(machine).values()), []
    if plot:
        _draw(plot, machine, progress)
    if as_json:
        told = {"machine": asdict(machine), "measured": [_facts(result) for result in results]}
        click.echo(json.dumps(told | {"failed": {one.name: str(fault) for one, fault in failed}}, indent=2))
    elif results:
        click.echo(f"{table(results, machine.cores)}\n\n{notes(results, machine)}")
    elif not names:
        click.echo("nothing is measured on this machine yet; `zoo bench NAME` measures.", err=True)
    _tell(failed, len(chosen))


def _how(build: bool, random: bool, rounds: int, tokens: int, progress: Progress) -> Measure:
    """Return what measures one backbone as the options ask for."""
    from zoo.bench import trunks
    from zoo.bench.child import check_installed
    from zoo.bench.measure import measure

    check_installed()

    def untrained(backbone: Backbone) -> Result:
        with trunks.untrained(backbone, progress) as ready:
            return measure(backbone, ready, progress, weights="random", rounds=rounds, tokens=tokens)

    def pretrained(backbone: Backbone) -> Result:
        ready = (trunks.both if build else trunks.here)(backbone, progress)
        return measure(backbone, ready, progress, rounds=rounds, tokens=tokens)

    return untrained if random else pretrained


def _each(
    chosen: Sequence[Backbone], measured: Measure, machine: Machine, progress: Progress
) -> tuple[list[Result], list[tuple[Backbone, GraftError]]]:
    """Measure one after the other; each is remembered as soon as it is done, and one that fails stops no other."""
    from zoo.bench.memory import remember
    from zoo.terminal import duration

    results: list[Result] = []
    failed: list[tuple[Backbone, GraftError]] = []
    began = time.monotonic()
    for done, backbone in enumerate(chosen):
        if len(chosen) > 1:
            left = (time.monotonic() - began) / max(1, done) * (len(chosen) - done)
            progress.say(
                f"{done + 1} of {len(chosen)}: {backbone.name}" + (f", about {duration(left)} left" if done else "")
            )
        try:
            results.append(measured(backbone))
            remember(machine, results[-1])
        except GraftError as fault:
            failed.append((backbone, fault))
        except OSError as fault:
            progress.say(f"note: what is measured cannot be remembered ({fault}). Set GRAFT_CACHE to another folder.")
    return results, failed


def _draw(path: Path, machine: Machine, progress: Progress) -> None:
    from zoo.bench.chart import draw
    from zoo.bench.memory import remembered

    progress.say(draw(path, remembered(machine).values(), machine))


def _facts(result: Result) -> dict[str, object]:
    gain = result.gain()
    return result.facts() | {"gain": gain and [round(ratio, 2) for ratio in gain]}


def _tell(failed: Sequence[tuple[Backbone, GraftError]], tried: int) -> None:
    """Say on standard error what could not be measured, and why; exit with 1 where there is something."""
    if tried == 1 and failed:
        raise failed[0][1]
    if failed:
        rows = [(backbone.name, " ".join(str(fault).split())) for backbone, fault in failed]
        click.echo(f"\n{len(failed)} of {tried} could not be measured:\n{aligned(rows)}", err=True)
        sys.exit(1)
