"""What one visitor looks at; nothing of it is shared, and nothing of it is left when the visitor has gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from ncp.app.subject import Place, Subject, benchmark, opened
from ncp.app.workers import Seat, Workers
from ncp.cost import Counting
from ncp.spaces.multires import Code

START = "32_64-1_1_2_64-2_2_2_2_32_64-2_3_2_2_2_32_64_128-2_4_2_2_2_2_32_64_128_128-96"
"""What the page opens with: small, and with room to become better."""


class Visitor:
    """A subject, a code of it, how cost is counted, and who wants to know of a change.

    Args:
        workers: what computes for all visitors.
        trainers: what trains and reads files for all visitors.
        root: where visitors' folders lie.
    """

    def __init__(self, workers: Workers, trainers: Workers, root: Path) -> None:
        self.workers, self.trainers = Seat(workers), Seat(trainers)
        self.benchmark = benchmark()
        self.own: Place | None = None
        self.name = ""
        self.subject: Subject = self.benchmark
        self.code: tuple[int, ...] = Code.parse(START).vector
        self.counting = Counting()
        self.gone = False
        self.tab = ""
        self._of_code: list[Callable[[], Any]] = []
        self._of_subject: list[Callable[[], Any]] = []
        self._root = root
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Where this visitor's files lie."""
        if self._folder is None:
            self._folder = Path(mkdtemp(dir=self._root))
        return self._folder

    def on_code(self, told: Callable[[], Any]) -> None:
        """Have `told` called whenever the code or the counting changes; until the subject does."""
        self._of_code.append(told)

    def on_subject(self, told: Callable[[], Any]) -> None:
        """Have `told` called whenever the subject changes."""
        self._of_subject.append(told)

    def show(self, tab: str) -> None:
        """Turn to another tab, which may have to catch up."""
        self.tab = tab
        self._tell()

    def look_at(self, code: tuple[int, ...]) -> None:
        """Go to another code."""
        self.code = tuple(code)
        self._tell()

    def count_as(self, counting: Counting) -> None:
        """Count cost otherwise."""
        self.counting = counting
        self._tell()

    def turn_to(self, place: Place | None) -> None:
        """Go to another subject, the benchmark where none is given; the code stays, if it is one of it."""
        self.own = self.own if place is None else place
        self.subject = self.benchmark if place is None else opened(place)
        space = self.subject.space
        if len(self.code) != len(space) or not space.contains([self.code]).all():
            self.code = _first(self.subject)
        self._of_code.clear()
        for told in list(self._of_subject):
            told()

    def leave(self) -> None:
        """End what is computed, and forget everything, files first."""
        self.gone = True
        self.workers.leave()
        self.trainers.leave()
        self._of_code.clear()
        self._of_subject.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self) -> None:
        for told in list(self._of_code):
            told()


def _first(subject: Subject) -> tuple[int, ...]:
    """A code to begin with: the benchmark's, the table's first row, or one in the middle of the space."""
    if not subject.own:
        return Code.parse(START).vector
    if subject.table is not None and len(subject.table):
        return tuple(subject.table.codes[0].tolist())
    return tuple(dim.values[len(dim.values) // 2] for dim in subject.space.dimensions)
