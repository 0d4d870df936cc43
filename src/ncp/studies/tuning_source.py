"""The trainings of `tune`: the study proposes codes when workers are free, and hears what they reached."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ncp.errors import InfeasibleError
from ncp.numbers import as_count, as_number
from ncp.progress import Progress
from ncp.spaces.arrays import Codes
from ncp.studies.overview import Overview, Tuning
from ncp.studies.scheduler import Events, Scheduler
from ncp.studies.study import Study
from ncp.studies.study_folder import Asked
from ncp.studies.training_times import TrainingTimes
from ncp.studies.trainings import TrainingRow, training_row

HOUR = 3600.0
FAILURES = 5
"""The search stops if the first codes of a call all fail, and none of an earlier call has succeeded. What breaks one
network, such as too little memory, rarely breaks five different ones; what breaks five breaks the others, too."""
STOPPED = {
    "trainings": "All trainings are done.",
    "hours": "The next training would not have ended in time.",
    "improvement": "The expected improvement of another training is too small.",
    "exhausted": "No code is left.",
    "failures": "No code has succeeded, so no more are trained.",
}
"""Why no further code is trained, by name."""


@dataclass(frozen=True)
class Limits:
    """When to stop.

    Attributes:
        trainings: the most different codes.
        seeds: trainings per code and task.
        hours: the time in which all trainings must be expected to end [h]; None for no limit.
        improvement: the smallest expected improvement that is worth a training [units of the score]; None for any.
    """

    trainings: int
    seeds: int
    hours: float | None
    improvement: float | None

    @classmethod
    def checked(cls, trainings: Any, seeds: Any, hours: Any, improvement: Any) -> Limits:
        """The limits of arguments.

        Raises:
            ConfigError: a number out of its bounds.
        """
        return cls(
            as_count(trainings, "trainings"),
            as_count(seeds, "seeds"),
            None if hours is None else as_number(hours, "hours", above=0),
            None if improvement is None else as_number(improvement, "until_improvement", least=0),
        )


class TuningSource:
    """Proposes codes as trainings of all tasks, and tells the study when all trainings of a code have ended.

    Args:
        study: proposes the codes.
        scheduler: trains them.
        tasks: the names of the tasks.
        limits: when to stop.
        progress: called with the share of the codes whose trainings have ended.

    Attributes:
        vectors: the codes by their texts.
        stopped: why no further code is trained, a key of `STOPPED`.
        succeeded: whether any code of the study has been trained, also in earlier calls.
    """

    def __init__(
        self, study: Study, scheduler: Scheduler, tasks: Sequence[str], limits: Limits, progress: Progress
    ) -> None:
        self.study, self.scheduler, self.tasks, self.limits = study, scheduler, tasks, limits
        self.events, self.progress = scheduler.events, progress
        self.vectors: dict[str, Codes] = {}
        self.stopped = "trainings"
        self._begun, self._workers = time.monotonic(), 1
        self._trained: dict[str, list[Asked]] = {}
        self._times = TrainingTimes(study.space, study.budget)
        self._times.add(scheduler.rows.values())
        self._closed = False
        self._failed = Counter[str]()
        self.succeeded = bool(len(study)) and bool((study.table.flags == "").any())
        self._best = self._best_code()
        scheduler.events = Events(self._looked, self._ended, self.events.said)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why codes failed in this call, and how many for each reason, the most frequent one first."""
        return self._failed.most_common()

    def begin(self, retry_failed: bool) -> list[Asked]:
        """The trainings that an earlier call has left. The study learns what has ended meanwhile."""
        self._restore()
        if retry_failed:
            self._forget({self.study.space.text(code) for code in self.study.retry()})
        codes = [self.study.space.text(code) for code in self.study.resume()]
        trainings = self._trainings(codes)
        for code in codes:
            self._tell_if_ended(code)
        return [asked for asked in trainings if asked.run not in self.scheduler.rows]

    def _restore(self) -> None:
        """Find the trainings of known codes if `study.json` was lost."""
        study = self.scheduler.study
        known = set(study.codes)
        told = [text for code in self.study.table.codes if (text := self.study.space.text(code)) not in known]
        whole, asked = study.asking(told, self.tasks, self.limits.seeds)
        rows = self._rows(asked)
        if rows:
            lost = {row.asked for row in rows}
            self.scheduler.study = replace(study, asked=tuple(e for e in whole.asked if e in lost or e in study.asked))
            self.scheduler.study.write()
        self._times.add(rows)

    def _rows(self, asked: Sequence[Asked]) -> list[TrainingRow]:
        """Trainings that have ended without the scheduler's knowledge, which it then has."""
        new = [each for each in asked if each.run not in self.scheduler.rows]
        rows = [row for each in new if (row := training_row(each, self.scheduler.study.run(each))) is not None]
        self.scheduler.rows |= {row.asked.run: row for row in rows}
        return rows

    def __call__(self, free: int) -> list[Asked]:
        """The trainings of one further code; none if a limit is reached.

        A proposal takes seconds, so the trainings of the first code begin before the next code is proposed.
        """
        self._workers = max(self._workers, free + len(self.scheduler.running))
        while not self._closed and not self._reached():
            try:
                code = self.study.space.text(self.study.ask())
            except InfeasibleError:
                self.stopped = "exhausted"
                break
            if self._is_late(self._seconds(code)):
                self.stopped, self._closed = "hours", True  # the code stays pending: the next call begins with it
                break
            waiting = [each for each in self._trainings([code]) if each.run not in self.scheduler.rows]
            if waiting:
                return waiting
            self._tell_if_ended(code)  # ncp build has trained it before
        return []

    @property
    def _room(self) -> int:
        """How many further codes may be trained."""
        return self.limits.trainings - len(self.study) - len(self.study.pending)

    def _reached(self) -> bool:
        """Whether a limit is reached, which is noted."""
        if self._room <= 0:
            self.stopped = "trainings"
        elif self._is_late(0.0):
            self.stopped = "hours"
        elif self._is_hopeless():
            self.stopped = "failures"
        elif self._is_enough():
            self.stopped = "improvement"
        else:
            return False
        return True

    def _is_late(self, seconds: float) -> bool:
        """Whether a training that takes this long [s] would end too late."""
        hours = self.limits.hours
        return hours is not None and time.monotonic() - self._begun + seconds > hours * HOUR

    def _is_hopeless(self) -> bool:
        """Whether only failures are known."""
        return not self.succeeded and self._failed.total() >= FAILURES

    def _is_enough(self) -> bool:
        """Whether another training is expected to improve too little."""
        least = self.limits.improvement
        improvement = None if least is None else self.study.expected_improvement
        return least is not None and improvement is not None and improvement < least

    def _trainings(self, codes: Sequence[str]) -> list[Asked]:
        """The trainings of codes, which the study's folder then has."""
        if not codes:
            return []
        self.vectors |= {code: self.study.space.code(code) for code in codes}
        study, asked = self.scheduler.study.asking(codes, self.tasks, self.limits.seeds)
        study.write()
        self.scheduler.study = study
        self._times.add(self._rows(asked))
        for each in asked:
            self._trained.setdefault(each.code, []).append(each)
        return asked

    def _ended(self, row: TrainingRow) -> None:
        self._times.add([row])
        self.events.ended(row)
        self._tell_if_ended(row.asked.code)

    def _tell_if_ended(self, code: str) -> bool:
        """Tell the study what a code reached, if all its trainings have ended."""
        trainings = self._trained.get(code, [])
        rows = [self.scheduler.rows[each.run] for each in trainings if each.run in self.scheduler.rows]
        if len(rows) < len(trainings) or not trainings:
            return False
        del self._trained[code]
        by_seed: dict[int, list[TrainingRow]] = {}
        for row in rows:
            by_seed.setdefault(row.asked.seed, []).append(row)
        outcomes = [self._outcome(each) for each in by_seed.values()]
        reasons = "; ".join(dict.fromkeys(outcome for outcome in outcomes if isinstance(outcome, str)))
        values = [None if isinstance(outcome, str) else outcome for outcome in outcomes]
        self.study.tell_all(code, values, reasons)
        if any(each is not None for each in values):
            self.succeeded = True
        else:
            self._failed[reasons] += 1
        self.progress(min(len(self.study) / self.limits.trainings, 1.0))
        best = self._best_code()
        if best is not None and best != self._best:
            self._best = best
            self.events.said(f"Best so far: {self.study.best()[0].text}")
        return True

    def _outcome(self, rows: Sequence[TrainingRow]) -> dict[str, float] | str:
        """The values of a code's trainings of one seed on all tasks, or why there are none."""
        failed = [f"{row.asked.task}: {row.reason}" for row in rows if row.status == "failed"]
        if failed:
            return "; ".join(failed)
        values = {f"{row.asked.task}/{metric}": value for row in rows for metric, value in row.metrics.items()}
        declared = [column for task in self.tasks for column in self.scheduler.study.tasks[task].columns]
        columns = self.study.columns or tuple(dict.fromkeys([*declared, *values]))
        missing = [columns[j] for j in self.study.objective.named(columns) if columns[j] not in values]
        if missing:
            return f"no value of {missing[0]}"
        return {column: values[column] for column in columns if column in values}

    def _forget(self, codes: set[str]) -> None:
        """Let trainings of codes run again that failed."""
        for run, row in list(self.scheduler.rows.items()):
            if row.asked.code in codes and row.status == "failed":
                self.scheduler.study.run(row.asked).forget()
                del self.scheduler.rows[run]

    def _best_code(self) -> str | None:
        best = self.study.best()
        return best[0].code if best else None

    def _seconds(self, code: str) -> float:
        """The expected time until all trainings of a code have ended, if they begin now [s]; 0 if it is not known."""
        times = [self._times.seconds(self.study.space.code(code), task) for task in self.tasks]
        return self._wall([seconds for seconds in times if seconds is not None])

    def _wall(self, times: Sequence[float]) -> float:
        """The time of one code's trainings, given those of single trainings on some of the tasks [s]."""
        if not times:
            return 0.0
        runs = len(self.tasks) * self.limits.seeds
        return max(max(times), sum(times) / len(times) * runs / min(self._workers, runs))

    def _looked(self, overview: Callable[[], Overview]) -> None:
        self.events.looked(lambda: self._with_tuning(overview()))

    def _with_tuning(self, found: Overview) -> Overview:
        """An overview with the best code so far, and the time of the codes that were not asked for yet."""
        left = found.seconds_left
        if left is not None and found.seconds:
            each = sum(found.seconds.values()) / len(found.seconds) * len(self.tasks) * self.limits.seeds
            left += max(self._room, 0) * each / self._workers
            if self.limits.hours is not None:
                left = min(left, self.limits.hours * HOUR - (time.monotonic() - self._begun))
        best = self.study.best()
        return replace(
            found, seconds_left=left, tuning=Tuning(self.limits.trainings, len(self.study), best[0] if best else None)
        )
