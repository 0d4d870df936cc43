"""How long trainings take, learned from exact cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from ncp.cost import has_cost
from ncp.optim.budget import Budget
from ncp.spaces.arrays import Codes
from ncp.spaces.space import Space
from ncp.studies.trainings import TrainingRow

FEW = 3
"""With fewer different costs than this, a training is expected to take the mean time of its task."""


class TrainingTimes:
    """Expected times of trainings: per task a straight line of log time over log cost.

    The slope is kept from 0 to 1, since a part of the time does not depend on the code.

    Args:
        space: of the codes.
        budget: how cost is counted.
    """

    def __init__(self, space: Space, budget: Budget) -> None:
        self.space, self.counting, self.known = space, budget.counting, has_cost(space)
        self.ended: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def add(self, rows: Iterable[TrainingRow]) -> None:
        """Learn from trainings that are done."""
        for row in rows:
            seconds = row.details.get("seconds")
            if row.status == "done" and seconds is not None:
                cost = self._cost(self.space.codes(row.asked.code))
                self.ended[row.asked.task].append((cost, max(float(seconds), 1e-3)))

    def seconds(self, code: Codes, task: str) -> float | None:
        """The expected time of a code `(d,)` on a task [s]; None before a training of the task is done."""
        ended = np.array(self.ended[task])
        if not len(ended):
            return None
        cost, times = ended[:, 0], np.log(ended[:, 1])
        if not self.known or len(np.unique(cost)) < FEW:
            return float(np.exp(times).mean())
        slope = float(np.clip(np.polyfit(cost, times, 1)[0], 0, 1))
        level = np.exp(times - slope * cost).mean()  # not of the logarithms, which would be too low
        return float(level * np.exp(slope * self._cost(code[None])))

    def _cost(self, codes: Codes) -> float:
        return float(np.log(self.counting.macs(codes)[0])) if self.known else 0.0
