"""The scheduler of a study: gives trainings to workers until all have ended, and keeps the tables up to date."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from ncp.errors import NcpError
from ncp.spaces.arrays import Codes
from ncp.studies.averages import noise_between_seeds, table_of, values_of
from ncp.studies.lease import Lease
from ncp.studies.local_pool import Pool
from ncp.studies.overview import Overview, overview_of
from ncp.studies.study_folder import TABLE, TRAININGS, Asked, StudyFolder
from ncp.studies.trainings import TrainingRow, training_row, write_trainings
from ncp.studies.worker import Ended, Settings, Work
from ncp.tables.parquet import write_table
from ncp.tables.table import Table
from ncp.training.run import ENDED

DEATHS = 3
"""How often a training goes on after its worker has died; then it fails."""
LOOK = 0.5
"""The longest time between looks at the workers [s]."""
WRITE = 20.0
"""Time between writes of the tables [s]; they are also written at the end."""
PAUSE = 5.0
"""Time until a training that another process holds is tried again [s]."""


@dataclass(frozen=True)
class Events:
    """What a caller hears of a study's progress.

    Attributes:
        looked: called a few times a second with a function that says how far the study is.
        ended: called with each training that has ended.
        said: called with remarks.
    """

    looked: Callable[[Callable[[], Overview]], None] = lambda _: None
    ended: Callable[[TrainingRow], None] = lambda _: None
    said: Callable[[str], None] = lambda _: None


Source = Callable[[int], Sequence[Asked]]
"""Called with the number of free workers; returns further trainings, whose study and codes the scheduler then has, or
none for now. The scheduler ends when nothing runs and none come."""


class Scheduler:
    """Trains what a study asks for.

    Args:
        study: the study.
        lease: the right to schedule it.
        rows: the trainings that have ended before.
        events: what the caller hears.
    """

    def __init__(self, study: StudyFolder, lease: Lease, rows: Sequence[TrainingRow], events: Events) -> None:
        self.study, self.lease, self.events = study, lease, events
        self.rows = {row.asked.run: row for row in rows}
        self.running: dict[str, Asked] = {}
        self._deaths: Counter[str] = Counter()
        self._later: list[tuple[float, Asked]] = []
        self._written = time.monotonic()

    def train(
        self,
        waiting: Sequence[Asked],
        vectors: dict[str, Codes],
        pool: Pool,
        settings: Settings,
        source: Source | None = None,
    ) -> None:
        """Train everything that waits, and then what a source adds.

        Args:
            waiting: the trainings, in order.
            vectors: the values of the codes by their texts.
            pool: the workers.
            settings: what all trainings share.
            source: adds trainings when workers are free and nothing waits.

        Raises:
            NcpError: an error that concerns more than one training. The other trainings have saved their states.
            KeyboardInterrupt, SystemExit: the process was asked to stop. All trainings have saved their states.
        """
        queue = deque(waiting)
        try:
            while True:
                self.lease.require()
                self._wake(queue)
                asks = source is not None and not queue and pool.free > 0
                added = source(pool.free) if source is not None and asks else ()
                queue.extend(added)
                if not (queue or self.running or self._later) and (asks or source is None):
                    break
                while queue and pool.free:
                    asked = queue.popleft()
                    self.running[asked.run] = asked
                    pool.start(self._work(asked, vectors, settings))
                self.lease.running = [asked._asdict() for asked in self.running.values()]
                more = bool(added) and pool.free > 0  # the source may have something for the other workers
                for ended in pool.ended(0.0 if more else LOOK):
                    self._end(ended, queue)
                self.events.looked(self.overview)
                if time.monotonic() - self._written > WRITE:
                    self.write()
        except (KeyboardInterrupt, SystemExit, NcpError):
            if self.running:
                self.events.said("Stopping: running trainings save their state. Press Ctrl-C again to stop at once.")
            pool.stop()
            raise
        finally:
            pool.close()
            for asked in self.running.values():  # those that ended while they were asked to stop
                self._note(asked)
            self.lease.running = ()

    def overview(self) -> Overview:
        """How far the study is."""
        return overview_of(self.study, list(self.rows.values()), list(self.running.values()), self.lease.document())

    def write(self) -> Table:
        """Write the tables of the study.

        Raises:
            DataError: the folder cannot be written.
        """
        rows = [self.rows[asked.run] for asked in self.study.asked if asked.run in self.rows]
        table = write_tables(self.study, rows)
        self._written = time.monotonic()
        return table

    def _work(self, asked: Asked, vectors: dict[str, Codes], settings: Settings) -> Work:
        vector = tuple(vectors[asked.code].tolist())
        document = self.study.tasks[asked.task].document
        return Work(asked.run, asked.code, vector, asked.seed, document, settings)

    def _end(self, ended: Ended, queue: deque[Asked]) -> None:
        """Note how a training ended, or let it go on."""
        asked = self.running.pop(ended.run)
        if ended.ending == "refused":
            self.running[ended.run] = asked  # it is noted with the others that stop
            raise NcpError(f"{ended.message}\nThe study stopped at {asked.task}, seed {asked.seed}, of {asked.code}.")
        if ended.ending == "locked":
            self._later.append((time.monotonic() + PAUSE, asked))
        elif ended.ending == "died" and self.study.run(asked).status not in ENDED:
            self._deaths[asked.run] += 1
            if self._deaths[asked.run] <= DEATHS:
                self.events.said(f"A worker died ({ended.message}); {asked.task} of {asked.code} goes on.")
                queue.appendleft(asked)
            else:
                self.study.run(asked).fail("killed", details=f"its worker died {DEATHS + 1} times, {ended.message}")
                self._note(asked)
        else:
            self._note(asked)

    def _note(self, asked: Asked) -> None:
        row = training_row(asked, self.study.run(asked))
        if row is not None:
            self.rows[asked.run] = row
            self.events.ended(row)

    def _wake(self, queue: deque[Asked]) -> None:
        """Put trainings that another process held back into the queue."""
        now = time.monotonic()
        queue.extend(asked for at, asked in self._later if at <= now)
        self._later = [(at, asked) for at, asked in self._later if at > now]


def write_tables(study: StudyFolder, rows: Sequence[TrainingRow]) -> Table:
    """Write the trainings and the table of a study, each whole or not at all; the metadata of both has the noise.

    Raises:
        DataError: the folder cannot be written.
    """
    noise = {column: asdict(each) for column, each in noise_between_seeds(values_of(rows)).items()}
    write_trainings(study.path / TRAININGS, rows, {"noise": noise})
    table = table_of(study, rows)
    texts = (table.origin, table.flags)
    columns, least = table.columns, table.minimised
    write_table(study.path / TABLE, table.space, table.codes, table.values, texts, columns, least, {"noise": noise})
    return table
