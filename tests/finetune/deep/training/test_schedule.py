"""The learning-rate schedule with warm-up, and the number of epochs that fit before a deadline."""

from __future__ import annotations

import pytest

from finetune.deep.training.schedule import CosineWarmupSchedule, EpochSchedule, shorten_to_time


@pytest.mark.parametrize("total", [1, 7, 100])
def test_learning_rate_warms_up_then_decays_to_zero(total: int) -> None:
    schedule = CosineWarmupSchedule(0.5)
    schedule.total_steps.assign(float(total))
    rates = [schedule.rate_at(step) for step in range(total)]
    warm = max(1, round(total * 0.1))
    assert rates[warm - 1] == pytest.approx(0.5)
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm - 1 :] == sorted(rates[warm - 1 :], reverse=True)
    if total > 1:
        assert rates[-1] == pytest.approx(0, abs=1e-6)
        assert rates[warm - 1 + (total - warm) // 2] == pytest.approx(0.25, rel=0.1)


def test_schedule_plans_as_many_epochs_as_the_deadline_allows() -> None:
    schedule = EpochSchedule(batch=32, epochs=20, steps=100)
    assert shorten_to_time(schedule, seconds_left=1e6, step_seconds=0.1, validation_seconds=1.0) == schedule
    assert (
        shorten_to_time(schedule, seconds_left=100, step_seconds=0.1, validation_seconds=1.0).epochs == 8
    )  # 90 s of it, 11 s each
    short = shorten_to_time(schedule, seconds_left=10, step_seconds=0.1, validation_seconds=1.0)
    assert (short.epochs, short.steps) == (1, 80)
    assert shorten_to_time(schedule, seconds_left=1, step_seconds=0.1, validation_seconds=1.0).epochs == 0
    assert shorten_to_time(schedule, seconds_left=-5, step_seconds=0.1, validation_seconds=1.0).total_steps == 0
