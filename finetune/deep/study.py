"""One run with one size of batch: epochs, looks at the validation part, checkpoints."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from finetune.deep.ahead import ahead
from finetune.deep.checkpoint import Arrays, Checkpoint, State
from finetune.deep.course import Course
from finetune.deep.devices import Devices
from finetune.deep.judge import judge
from finetune.deep.keeper import Keeper
from finetune.deep.logs import Logs
from finetune.deep.optimiser import Optimiser, Pace
from finetune.deep.schedule import Schedule, Settings, fitted
from finetune.deep.standing import Standing
from finetune.deep.steps import Steps, loss_of
from finetune.lesson import Epoch, Lesson
from zoo.errors import TrainingFailed
from zoo.progress import Progress

TIMED: Final = 8  # steps that are timed to plan with
PATIENT: Final = 5.0  # seconds after which fewer are enough


class Study:
    """A course under way. Made under the strategy's scope, as its course was."""

    def __init__(
        self, course: Course, settings: Settings, lesson: Lesson, devices: Devices, keeper: Keeper, progress: Progress
    ) -> None:
        self._course, self._settings, self._lesson, self._devices = course, settings, lesson, devices
        self._keeper, self._progress, self._logs = keeper, progress, Logs(lesson.tensorboard)
        self._pace = Pace(settings.rate)
        self._optimiser = Optimiser(self._pace, course.rates, settings.weight_decay)
        outer = devices.scaling(self._optimiser)
        outer.build(course.network.trainable_variables)
        self._steps = Steps(course.network, outer, loss_of(lesson.task, settings.smoothing), devices)
        self._state = State(course.network, outer)

    def run(self, found: Checkpoint | None) -> tuple[tuple[Epoch, ...], dict[str, Any]]:
        """Train to the end, from `found` if there is one; leave the best weights in the network.

        Raises:
            TrainingFailed: a loss was not finite.
        """
        if found:
            self._go_on(found)
        else:
            self._begin()
        self._pace.total.assign(max(1.0, float(self._at.schedule.total)))
        while not (why := self._over()):
            self._epoch()
        for variable, best in zip(self._course.network.trainable_variables, self._best.values(), strict=True):
            variable.assign(best)
        return tuple(self._at.history), self._facts(why)

    def _begin(self) -> None:
        loss, score = self._look("before the first step")
        self._progress.say(f"before the first step: validation loss {loss:.4g}, score {score:.4g}")
        wanted = Schedule(self._settings.batch, self._settings.epochs, self._course.steps())
        self._at = Standing(self._fitting(wanted), loss, score)
        self._best = self._averages()

    def _go_on(self, found: Checkpoint) -> None:
        self._state.restore(found.arrays)
        self._at = Standing.of(found.facts["standing"])
        self._best = {name: array for name, array in found.arrays.items() if name.startswith("best_")}
        self._progress.say(f"going on after batch {self._at.steps_done:,} of {self._at.schedule.total:,}")

    def _fitting(self, wanted: Schedule) -> Schedule:
        """Return as much of `wanted` as there is time for, after a few steps that are timed and forgotten."""
        if self._lesson.deadline is None:
            return wanted
        kept = self._state.capture()
        step = self._seconds_of_a_step(wanted.steps)
        self._state.restore(kept)
        start = time.monotonic()
        self._look("before the first step")  # once more: the first look was traced
        look = time.monotonic() - start
        fits = fitted(wanted, self._lesson.deadline - time.monotonic(), step, look)
        if fits != wanted:
            self._progress.say(f"time is left for {fits.epochs} epochs of {fits.steps} batches")
        return fits

    def _seconds_of_a_step(self, steps: int) -> float:
        marks = []
        for fed in ahead(lambda number: self._fed(0, number % steps), range(1 + TIMED)):
            np.asarray(self._steps.train(fed))
            marks.append(time.monotonic())
            if len(marks) > 2 and marks[-1] - marks[0] > PATIENT:
                break
        # The first one was traced: it is where the time begins.
        return (marks[-1] - marks[0]) / (len(marks) - 1)

    def _over(self) -> str:
        """Return why the run has ended; "" while it has not."""
        at, deadline = self._at, self._lesson.deadline
        if at.number > at.schedule.epochs:
            return "all epochs" if at.history else "deadline"
        if at.stale() >= self._settings.patience:
            return "patience"
        # An epoch that was begun is finished.
        return "deadline" if deadline is not None and time.monotonic() > deadline and not at.step else ""

    def _fed(self, epoch: int, step: int) -> Any:  # noqa: ANN401
        return self._steps.feed(self._course.batch(epoch, step))

    def _epoch(self) -> None:
        at, epoch, begun = self._at, len(self._at.history), time.monotonic() - self._at.seconds
        numbers = range(at.step, at.schedule.steps)
        waiting: deque[Any] = deque()
        with self._progress.bar(f"epoch {at.number} of {at.schedule.epochs}", at.schedule.steps) as bar:
            bar.advance(at.step)
            for fed in ahead(lambda step: self._fed(epoch, step), numbers):
                waiting.append(self._steps.train(fed))
                # One behind: a GPU has its next step before this one is waited for.
                while len(waiting) > (0 if self._keeper.due() else 1):
                    self._count(waiting.popleft())
                if not waiting and at.step < at.schedule.steps:
                    at.seconds = time.monotonic() - begun
                    self._keep()
                bar.advance()
            while waiting:
                self._count(waiting.popleft())
        with self._optimiser.averaged():
            val_loss, val_score = self._look(f"after epoch {at.number}")
        rate = self._pace.rate(at.steps_done - 1)
        loss, seconds = at.loss / max(at.weight, 1e-9), time.monotonic() - begun
        self._close(Epoch(at.number, at.schedule.epochs, loss, val_loss, val_score, seconds, rate))

    def _count(self, sums: Any) -> None:  # noqa: ANN401
        loss, weight, norm = np.asarray(sums).tolist()
        at = self._at
        at.step, at.loss, at.weight = at.step + 1, at.loss + loss, at.weight + weight
        for what, number in (("loss", loss), ("gradient's norm", norm)):
            if not math.isfinite(number):
                raise self._failed(f"the {what} of batch {at.step} in epoch {at.number} is {number}")

    def _close(self, epoch: Epoch) -> None:
        """Note a finished epoch, keep its averaged weights if they are the best, and tell."""
        if self._at.close(epoch):
            self._best = self._averages()
        self._keep()
        facts = {name: value for name, value in asdict(epoch).items() if name != "number"}
        facts = {"epoch": epoch.number, **facts, "seconds_left": (epoch.of - epoch.number) * epoch.seconds}
        self._progress.numbers("epoch", facts)
        self._logs.write(epoch.number, {name: facts[name] for name in ("loss", "val_loss", "val_score", "rate")})

    def _look(self, when: str) -> tuple[float, float]:
        loss, score = judge(self._lesson.task, *self._steps.logits(self._course.val()))
        if not math.isfinite(loss):
            raise self._failed(f"the validation loss {when} is {loss}")
        return loss, score

    def _keep(self) -> None:
        self._keeper.keep(asdict(self._at), self._state.capture() | self._best)

    def _averages(self) -> Arrays:
        return {f"best_{number}": array for number, array in enumerate(self._optimiser.averages())}

    def _failed(self, what: str) -> TrainingFailed:
        return TrainingFailed(
            f"{what}: the run was stopped; its last good checkpoint, if there was one, is kept. "
            f"Try a --rate lower than {self._settings.rate:g}, and look for broken samples with `finetune check`."
        )

    def _facts(self, why: str) -> dict[str, Any]:
        at = self._at
        return {
            "epochs": len(at.history),
            "epochs_planned": at.schedule.epochs,
            "best_epoch": at.best,
            "stopped_by": why,
            "steps": at.schedule.steps,
            **asdict(self._settings),
            "start_val_loss": at.start_loss,
            "start_val_score": at.start_score,
            **self._devices.facts(),
        }
