"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from ncp.tasks.recipe import Schedule

WARM = 0.01
"""The learning rate at the begin of a warm-up, as a share of the peak."""
START = 0.1
"""The learning rate at the begin of `one-cycle`, as a share of the peak."""


def rate(schedule: Schedule, step: int, total: int, warmup: int) -> float:
    """The learning rate of one step, as a share of the peak.

    >>> [round(rate(Schedule(), step, 4, 0), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]

    Args:
        schedule: the section of the recipe.
        step: the step, from 0.
        total: the number of steps.
        warmup: the steps of the warm-up.
    """
    if schedule.name == "one-cycle":
        peak = schedule.rise * total
        if step < peak:
            return START + (1 - START) * _half_cosine(1 - step / peak)
        return schedule.final + (1 - schedule.final) * _half_cosine((step - peak) / max(total - peak, 1))
    if step < warmup:
        return WARM + (1 - WARM) * step / warmup
    done = (step - warmup) / max(total - warmup, 1)
    if schedule.name == "constant":
        return 1.0
    falling = _half_cosine(done) if schedule.name == "cosine" else (1 - done) ** schedule.power
    return schedule.final + (1 - schedule.final) * falling


def warmup_steps(schedule: Schedule, per_epoch: int, total: int) -> int:
    """The steps of the warm-up; half of the training if the warm-up is as long as that, so that the peak is reached.

    >>> [warmup_steps(Schedule(warmup=2.0), 10, total) for total in (100, 21, 20, 7)]
    [20, 20, 10, 3]

    Args:
        schedule: the section of the recipe.
        per_epoch: the steps of an epoch.
        total: the number of steps.
    """
    steps = round(schedule.warmup * per_epoch)
    return steps if steps < total else total // 2


def _half_cosine(done: float) -> float:
    """From 1 at 0 to 0 at 1."""
    return (1 + math.cos(math.pi * done)) / 2
