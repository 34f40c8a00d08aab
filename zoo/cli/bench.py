"""`zoo bench`: measure the speed of backbones on this machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from graft.cli.completion_values import complete_files
from graft.errors import GraftError
from zoo.catalog.backbone import Backbone
from zoo.catalog.find import get_backbone
from zoo.cli.format import JSON_OPTION, align_columns, speed_notes, speed_table
from zoo.cli.options import complete_backbones
from zoo.weights.dead_hosts import fail_fast_on_dead_hosts

if TYPE_CHECKING:
    from graft.progress import Progress
    from zoo.bench.bench_result import BenchResult
    from zoo.bench.machine import Machine


MeasureFunction = Callable[[Backbone], "BenchResult"]
DEFAULT_ROUNDS: Final = 7
DEFAULT_TOKENS: Final = 128  # or the encoder's maximum, if that is less


def _check_png_path(_: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """Require a .png path in an existing folder, before minutes of measuring."""
    if value is None:
        return None
    path = Path(value)
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise click.BadParameter(f"{value!r} cannot be written as a chart: name a .png file in a folder that exists.")
    return path


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_backbones)
@click.option("--build", is_flag=True, help="Also build the int8 trunk if it is missing.")
@click.option(
    "--random",
    is_flag=True,
    help="Random weights: the same speed, marked in the table, never cached. keras.applications, EfficientNet-Lite.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 1000),
    default=DEFAULT_ROUNDS,
    show_default=True,
    help="Rounds to measure; the median is reported.",
)
@click.option(
    "--tokens", type=click.IntRange(2), default=DEFAULT_TOKENS, show_default=True, help="Length of a text in tokens."
)
@click.option(
    "--plot",
    metavar="OUT.png",
    callback=_check_png_path,
    shell_complete=complete_files,
    help="Plot published accuracy against speed, for all backbones measured on this machine.",
)
@JSON_OPTION
def bench(
    names: Sequence[str], build: bool, random: bool, rounds: int, tokens: int, plot: Path | None, as_json: bool
) -> None:
    """Measure the speed of each NAME on this machine and save it; without NAME, show the saved results.

    Milliseconds for one image, or for one text of --tokens tokens, at batch size 1 and 8, with one run and with as many
    parallel runs as there are cores; in fp32, and in int8 if that trunk is cached, alternating; memory, and build time.
    If neither trunk is cached, it is pulled first. `zoo list --fast` sorts by the result.

    \b
    Examples:
      zoo bench efficientnet_lite0 mobilenet_v2
      zoo bench $(zoo list --kind image --max-params 10M --names) --build --plot speed.png
      zoo bench resnet50 --random
    """  # noqa: D301 - click reads the backspace character
    from graft.progress.terminal import TerminalProgress
    from zoo.bench.machine import this_machine
    from zoo.bench.results_file import read_bench_results

    if build and random:
        raise click.UsageError("--build builds trunks with pretrained weights, --random with random ones; choose one.")
    write_chart = _load_write_chart() if plot else None  # needs matplotlib: said before minutes of measuring
    chosen, machine, progress = tuple(dict.fromkeys(map(get_backbone, names))), this_machine(), TerminalProgress()
    if chosen:
        with fail_fast_on_dead_hosts():
            results, failed = _measure_all(
                chosen, _choose_measure(build, random, rounds, tokens, progress), machine, progress
            )
    else:
        results, failed = list(read_bench_results(machine).values()), []
    if plot and write_chart:
        progress.log(write_chart(plot, read_bench_results(machine).values(), machine))
    if as_json:
        content = {"machine": asdict(machine), "measured": [_to_json(result) for result in results]}
        click.echo(json.dumps(content | {"failed": {one.name: str(fault) for one, fault in failed}}, indent=2))
    elif results:
        click.echo(f"{speed_table(results, machine.cores)}\n\n{speed_notes(results, machine)}")
    elif not names:
        click.echo("nothing is measured on this machine yet; run: zoo bench NAME", err=True)
    _report_failures(failed, len(chosen))


def _choose_measure(build: bool, random: bool, rounds: int, tokens: int, progress: Progress) -> MeasureFunction:
    """Return the function that measures one backbone under these options."""
    from zoo.bench.candidates import default_candidates, fp32_and_int8_candidates, random_weight_candidates
    from zoo.bench.child_process import require_bench_packages
    from zoo.bench.measure import measure_backbone

    require_bench_packages()

    def measure_random(backbone: Backbone) -> BenchResult:
        with random_weight_candidates(backbone, progress) as candidates:
            return measure_backbone(backbone, candidates, progress, weights="random", rounds=rounds, tokens=tokens)

    def measure_pretrained(backbone: Backbone) -> BenchResult:
        candidates = (fp32_and_int8_candidates if build else default_candidates)(backbone, progress)
        return measure_backbone(backbone, candidates, progress, rounds=rounds, tokens=tokens)

    return measure_random if random else measure_pretrained


def _measure_all(
    chosen: Sequence[Backbone], measure: MeasureFunction, machine: Machine, progress: Progress
) -> tuple[list[BenchResult], list[tuple[Backbone, GraftError]]]:
    """Measure one after the other; each result is saved at once, and a failure does not stop the others."""
    from graft.progress.terminal import format_duration
    from zoo.bench.results_file import save_bench_result

    results: list[BenchResult] = []
    failed: list[tuple[Backbone, GraftError]] = []
    start = time.monotonic()
    for index, backbone in enumerate(chosen):
        if len(chosen) > 1:
            seconds_left = (time.monotonic() - start) / max(1, index) * (len(chosen) - index)
            estimate = f", about {format_duration(seconds_left)} left" if index else ""
            progress.log(f"{index + 1} of {len(chosen)}: {backbone.name}{estimate}")
        try:
            results.append(measure(backbone))
            save_bench_result(machine, results[-1])
        except GraftError as fault:
            failed.append((backbone, fault))
        except OSError as fault:
            progress.log(f"note: the results cannot be saved ({fault}). Set GRAFT_CACHE to another folder.")
    return results, failed


def _load_write_chart() -> Callable[[Path, Iterable[BenchResult], Machine], str]:
    """Return `write_chart`.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    from zoo.bench.chart import write_chart

    return write_chart


def _to_json(result: BenchResult) -> dict[str, object]:
    gain = result.int8_speedup()
    return result.to_dict() | {"gain": gain and [round(ratio, 2) for ratio in gain]}


def _report_failures(failed: Sequence[tuple[Backbone, GraftError]], total: int) -> None:
    """Print what could not be measured, and why, on standard error, and exit with status 1; do nothing if all could."""
    if total == 1 and failed:
        raise failed[0][1]
    if failed:
        rows = [(backbone.name, " ".join(str(fault).split())) for backbone, fault in failed]
        click.echo(f"\n{len(failed)} of {total} could not be measured:\n{align_columns(rows)}", err=True)
        sys.exit(1)
